package service

// Counts are what has happened so far, for /metrics. They only grow, but for a
// database that begins anew.
type Counts struct {
	// Jobs that have ended, by kind and state.
	Jobs map[JobKind]map[JobState]int64
	// Prompts by UDID and answer: "yes", "no", "ignored".
	Prompts map[string]map[string]int64
	// Received are bytes that came from phones, Added what they took in repositories.
	Received, Added int64
}
