// Everything on the pages works without this file. It adds: live progress,
// questions before something is given up, buttons that copy, passkeys, and the
// page that is shown when the service cannot be reached.
'use strict';
(() => {
  const $$ = (what, from = document) => [...from.querySelectorAll(what)];

  // Live parts: get this page again and take from it what may have changed.
  const live = () => $$('[data-live][id]');
  const spoken = document.getElementById('spoken');
  let busy = false, again = false, last = 0, said = '';

  async function renew() {
    if (busy || document.hidden) { again = true; return; }
    busy = true; again = false;
    const wait = 900 - (Date.now() - last);
    if (wait > 0) await new Promise((ok) => setTimeout(ok, wait));
    last = Date.now();
    try {
      const answer = await fetch(location.href, { credentials: 'same-origin', headers: { 'X-Live': '1' } });
      if (answer.redirected) { location.reload(); return; }
      if (answer.ok) put(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    } catch { /* the stream of events tells when we are cut off */ } finally { busy = false; }
    if (again) renew();
  }

  function put(fresh) {
    for (const old of live()) {
      const now = fresh.getElementById(old.id);
      if (!now || old.innerHTML === now.innerHTML) continue;
      const focus = document.activeElement;
      const within = focus && focus !== old && old.contains(focus);
      if (within && /^(INPUT|SELECT|TEXTAREA)$/.test(focus.tagName)) continue; // somebody types
      const open = $$('details[id][open]', old).map((d) => d.id);
      const key = within && (focus.id ? '#' + CSS.escape(focus.id) : focus.dataset.key && `[data-key="${CSS.escape(focus.dataset.key)}"]`);
      old.innerHTML = now.innerHTML;
      for (const id of open) { const d = document.getElementById(id); if (d) d.open = true; }
      if (within) (key && old.querySelector(key) || old.querySelector('a, button') || old).focus({ preventScroll: true });
      dress(old);
    }
    const text = $$('[data-say]').map((e) => e.dataset.say).join('. ');
    if (spoken && text !== said) spoken.textContent = text;
    said = text;
    const go = fresh.querySelector('[data-go]');
    if (go) location.assign(go.dataset.go);
  }

  if (live().length && 'EventSource' in window) {
    const note = document.getElementById('cut-off');
    said = $$('[data-say]').map((e) => e.dataset.say).join('. ');
    const events = new EventSource('/events');
    for (const kind of ['again', 'phone', 'job', 'target', 'setting', 'message']) events.addEventListener(kind, renew);
    let timer;
    events.onopen = () => { clearTimeout(timer); if (note) note.hidden = true; };
    events.onerror = () => { clearTimeout(timer); timer = setTimeout(() => { if (note) note.hidden = false; }, 4000); };
    addEventListener('visibilitychange', () => { if (!document.hidden && again) renew(); });
    addEventListener('pagehide', () => events.close());
    addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });
  }

  // Questions before something is given up.
  document.addEventListener('submit', (e) => {
    const form = e.target, text = form.dataset.confirm;
    if (!text || form.dataset.sure || !('showModal' in HTMLDialogElement.prototype)) return;
    e.preventDefault();
    const box = document.createElement('dialog');
    const p = document.createElement('p'), row = document.createElement('div');
    const no = document.createElement('button'), yes = document.createElement('button');
    p.id = 'question'; p.textContent = text;
    box.setAttribute('aria-labelledby', 'question');
    row.className = 'buttons'; no.textContent = 'Go back';
    yes.textContent = (e.submitter && e.submitter.textContent.trim()) || 'Yes'; yes.className = 'grave';
    no.onclick = () => box.close();
    yes.onclick = () => { form.dataset.sure = '1'; box.close(); form.requestSubmit(e.submitter || undefined); };
    box.onclose = () => box.remove();
    row.append(no, yes); box.append(p, row); document.body.append(box); box.showModal();
  });

  // A form is sent once, however often the button is pressed.
  document.addEventListener('submit', (e) => {
    if (e.defaultPrevented || e.target.dataset.sent) { if (e.target.dataset.sent) e.preventDefault(); return; }
    if (e.target.method === 'post' && !e.target.dataset.passkey) { e.target.dataset.sent = '1'; setTimeout(() => delete e.target.dataset.sent, 4000); }
  });

  function dress(root) {
    for (const b of $$('[data-copy]', root)) {
      b.hidden = false;
      b.onclick = async () => {
        const from = document.getElementById(b.dataset.copy);
        try {
          await navigator.clipboard.writeText(from.value ?? from.textContent.trim());
          const was = b.textContent; b.textContent = 'Copied'; setTimeout(() => { b.textContent = was; }, 2000);
        } catch { from.focus(); if (from.select) from.select(); }
      };
    }
    for (const b of $$('[data-print]', root)) { b.hidden = false; b.onclick = () => print(); }
  }
  dress(document);

  // Passkeys: the browser's ceremonies. Binary fields travel as base64url.
  const bin = (s) => Uint8Array.from(atob(s.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0)).buffer;
  const txt = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const post = async (url, body) => {
    const answer = await fetch(url, { method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json', Accept: 'application/json' }, body: JSON.stringify(body ?? {}) });
    const data = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error([data.detail || data.title || data.error || 'The passkey was not accepted.', data.hint].filter(Boolean).join(' '));
    return data;
  };
  const asJSON = (c) => {
    const r = c.response, out = { id: c.id, rawId: txt(c.rawId), type: c.type, authenticatorAttachment: c.authenticatorAttachment ?? undefined, clientExtensionResults: c.getClientExtensionResults(), response: { clientDataJSON: txt(r.clientDataJSON) } };
    for (const k of ['attestationObject', 'authenticatorData', 'signature', 'userHandle']) if (r[k]) out.response[k] = txt(r[k]);
    if (r.getTransports) out.response.transports = r.getTransports();
    return out;
  };
  const ids = (list) => (list || []).map((c) => ({ ...c, id: bin(c.id) }));

  async function signIn(form) {
    const begun = await post('/passkeys/signin/begin');
    const o = begun.options.publicKey ?? begun.options;
    const c = await navigator.credentials.get({ publicKey: { ...o, challenge: bin(o.challenge), allowCredentials: ids(o.allowCredentials) } });
    const done = await post('/passkeys/signin/finish?' + new URLSearchParams({ ceremony: begun.ceremony, next: form.dataset.next || '' }), asJSON(c));
    location.assign(done.next || form.dataset.next || '/');
  }

  async function register(form) {
    const name = form.elements.name ? form.elements.name.value : '';
    const begun = await post('/passkeys/register/begin');
    const o = begun.options.publicKey ?? begun.options;
    const c = await navigator.credentials.create({ publicKey: { ...o, challenge: bin(o.challenge), user: { ...o.user, id: bin(o.user.id) }, excludeCredentials: ids(o.excludeCredentials) } });
    await post('/passkeys/register/finish?' + new URLSearchParams({ ceremony: begun.ceremony, name }), asJSON(c));
    location.assign('/account?said=passkey');
  }

  for (const form of $$('form[data-passkey]')) {
    if (!window.PublicKeyCredential || !isSecureContext) continue;
    form.hidden = false;
    form.addEventListener('submit', async (e) => {
      e.preventDefault();
      const out = form.querySelector('[role=alert]');
      out.textContent = ''; out.hidden = true;
      try { await (form.dataset.passkey === 'register' ? register(form) : signIn(form)); } catch (err) {
        out.textContent = err.name === 'NotAllowedError' ? 'The passkey was not used. Try again, or use the password.' : err.message;
        out.hidden = false;
      }
    });
  }

  if ('serviceWorker' in navigator && isSecureContext) navigator.serviceWorker.register('/sw.js').catch(() => { /* the page works without it */ });
})();
