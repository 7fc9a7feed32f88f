// The service worker does one thing: when the computer with the backups cannot be
// reached, it shows a page that says so. It keeps nothing else, since what the
// pages show is private and out of date the moment it is stored.
'use strict';
const KEEP = 'offline:{{style.css}}';
const FILES = ['/offline', '{{style.css}}', '{{logo.svg}}'];

addEventListener('install', (e) => {
  e.waitUntil(caches.open(KEEP).then((c) => c.addAll(FILES)).then(() => skipWaiting()));
});

addEventListener('activate', (e) => {
  e.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter((n) => n !== KEEP).map((n) => caches.delete(n))))
    .then(() => clients.claim()));
});

addEventListener('fetch', (e) => {
  if (e.request.mode === 'navigate') {
    e.respondWith(fetch(e.request).catch(() => caches.match('/offline')));
  } else if (FILES.includes(new URL(e.request.url).pathname)) {
    e.respondWith(fetch(e.request).catch(() => caches.match(e.request)));
  }
});
