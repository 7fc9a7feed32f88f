// Package server is the web page and the API of a service.
package server
