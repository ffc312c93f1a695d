// SPDX-License-Identifier: MIT
// report_page.js - opens the lab's report in a headless Chromium and does what a reader does
//
// usage: node report_page.js PAGE.html [SCREENSHOT.png]
// Prints one JSON object with what was found. Speaks the DevTools protocol over a pipe; needs no package.
'use strict';
const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');

const DEADLINE_MS = 60000, PATIENCE_MS = 5000;
const page = path.resolve(process.argv[2]);
const profile = mkdtempSync(path.join(tmpdir(), 'dualwire-page-'));
const chromium = spawn('chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
  '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--disable-dev-shm-usage', '--window-size=1300,1000', '--user-data-dir=' + profile,
  '--remote-debugging-pipe', 'about:blank'],
  { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true });

// Its helpers outlive it for a moment and still write into the profile: they are one process group, and end together.
const end = code => {
  chromium.once('exit', () => {
    try { process.kill(-chromium.pid, 'SIGKILL'); } catch { /* all have ended */ }
    const clean = tries => {
      try {
        rmSync(profile, { recursive: true, force: true });
      } catch (e) {
        if (tries > 0) { setTimeout(clean, 50, tries - 1); return; }
        console.error(String(e));
      }
      process.exit(code);
    };
    clean(100);
  });
  chromium.kill('SIGKILL');
};
const fail = why => { console.error(why); end(1); };
setTimeout(() => fail('the browser did not answer in time'), DEADLINE_MS).unref();
chromium.on('error', e => { console.error(String(e)); process.exit(1); });

let next = 0, buffered = '';
const waiting = new Map(), found = { errors: [], requests: [] };

const events = {
  'Runtime.exceptionThrown': p => found.errors.push(p.exceptionDetails.text + ' ' +
    (p.exceptionDetails.exception?.description ?? '')),
  'Runtime.consoleAPICalled': p => found.errors.push('console.' + p.type),
  'Log.entryAdded': p => found.errors.push(p.entry.level + ': ' + p.entry.text),
  'Network.requestWillBeSent': p => found.requests.push(p.request.url.slice(0, 80)),
};
const loaded = new Promise(resolve => { events['Page.loadEventFired'] = resolve; });

chromium.stdio[4].on('data', chunk => {
  buffered += chunk;
  for (let at; (at = buffered.indexOf('\0')) >= 0; buffered = buffered.slice(at + 1)) {
    const m = JSON.parse(buffered.slice(0, at));
    if (m.id) {
      const w = waiting.get(m.id);
      waiting.delete(m.id);
      m.error ? w.reject(new Error(m.error.message)) : w.resolve(m.result);
    } else if (events[m.method]) {
      events[m.method](m.params);
    }
  }
});
const send = (method, params = {}, sessionId = undefined) => new Promise((resolve, reject) => {
  waiting.set(++next, { resolve, reject });
  chromium.stdio[3].write(JSON.stringify({ id: next, method, params, sessionId }) + '\0');
});

const main = async () => {
  const { targetInfos } = await send('Target.getTargets');
  const { sessionId } = await send('Target.attachToTarget',
    { targetId: targetInfos.find(t => t.type === 'page').targetId, flatten: true });
  const call = (method, params) => send(method, params, sessionId);
  const ask = async expression =>
    (await call('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })).result.value;
  const key = async (k, code) => {
    for (const type of ['keyDown', 'keyUp']) {
      await call('Input.dispatchKeyEvent', { type, key: k, code: k, windowsVirtualKeyCode: code,
        text: k === 'Enter' && type === 'keyDown' ? '\r' : undefined });
    }
  };
  const click = async selector => {
    const at = await ask(`(() => { const e = document.querySelector(${JSON.stringify(selector)});
      e.scrollIntoView({ block: 'center' }); const r = e.getBoundingClientRect();
      return { x: r.x + r.width / 2, y: r.y + r.height / 2 }; })()`);
    for (const type of ['mousePressed', 'mouseReleased']) {
      await call('Input.dispatchMouseEvent', { type, x: at.x, y: at.y, button: 'left', clickCount: 1 });
    }
  };
  const opened = () => ask(`[...document.querySelectorAll('dialog')].filter(d => d.open).map(d => d.id)`);

  // The page handles input when it gets to it: asks until the answer is as it should be, or time is up.
  const until = async (question, good) => {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const answer = await question();
      if (good(answer) || Date.now() > deadline) { return answer; }
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  };
  const focused = () => ask(`document.activeElement.dataset.case ?? ''`);

  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) { await call(domain + '.enable'); }
  await call('Page.navigate', { url: 'file://' + page });
  await loaded;

  found.cells = await ask(`document.querySelectorAll('.cell').length`);
  found.names = await ask(`[...document.querySelectorAll('.cell')].map(c => c.dataset.case)`);
  found.titles = await ask(`[...document.querySelectorAll('.cell .title')].map(c => c.textContent)`);
  found.policy = await ask(`document.querySelector('meta[http-equiv="Content-Security-Policy"]').content`);
  found.rows = await ask(`document.querySelectorAll('.matrix tbody tr').length`);
  found.attempts = await ask(`[...document.querySelectorAll('.matrix td')].map(td => td.innerText)`);
  found.dialogs = await ask(`document.querySelectorAll('dialog').length`);
  found.foreign = await ask(`document.querySelectorAll('script').length - 1 +
    document.querySelectorAll('img, iframe, object, embed').length + (window.pwned ? 100 : 0)`);
  found.overflow = await ask(`document.documentElement.scrollWidth - document.documentElement.clientWidth`);

  // A click on a case with a connection opens its ladder; Escape closes it and the cell has the focus again.
  const name = await ask(`[...document.querySelectorAll('.cell')].map(c => c.dataset.case)
    .find(n => document.getElementById('case-' + n).querySelector('svg.ladder'))`);
  found.clicked = name;
  await click(`.cell[data-case="${name}"]`);
  found.opened = await until(opened, o => o.length === 1);
  found.ladder = await ask(`(() => { const s = document.querySelector('dialog[open] svg.ladder');
    const r = s.getBoundingClientRect(); return { width: r.width, height: r.height,
      arrows: s.querySelectorAll('.arrow').length, steps: [...s.querySelectorAll('.stepno')].map(t => t.textContent),
      text: s.textContent }; })()`);
  if (process.argv[3]) {
    const shot = await call('Page.captureScreenshot', { format: 'png' });
    writeFileSync(process.argv[3], Buffer.from(shot.data, 'base64'));
  }
  await key('Escape', 27);
  found.closed = (await until(opened, o => o.length === 0)).length === 0;
  found.focus = await until(focused, f => f === name);

  // The same by keys alone: Enter opens, an arrow goes to the next case.
  await key('Enter', 13);
  found.by_key = await until(opened, o => o.length === 1);
  await key('ArrowRight', 39);
  found.next = await until(opened, o => o.length === 1 && o[0] !== found.by_key[0]);
  await key('Escape', 27);
  await until(opened, o => o.length === 0);
  found.focus_next = await until(focused, f => 'case-' + f === found.next[0]);

  // Closed and opened again before the page was told of the closing: it is open, and keys work.
  await ask(`(() => { const c = document.querySelector('.cell[data-case="${name}"]');
    c.click(); document.querySelector('dialog[open]').close(); c.click(); })()`);
  await ask('new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))');
  await key('ArrowRight', 39);
  found.reopened = await until(opened, o => o[0] === found.next[0]);
  await key('Escape', 27);
  await until(opened, o => o.length === 0);

  // The filter, paper, and the dark.
  await ask(`(() => { const f = document.getElementById('find'); f.value = ${JSON.stringify(name)};
    f.dispatchEvent(new Event('input')); })()`);
  found.filtered = await ask(`[...document.querySelectorAll('.cell')].filter(c => c.offsetParent).length`);
  const paper = () => ask(`getComputedStyle(document.body).backgroundColor`);
  found.light = await paper();
  await call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: 'dark' }] });
  found.dark = await paper();
  await call('Emulation.setEmulatedMedia', { media: 'print', features: [] });
  found.printed = await ask(`[...document.querySelectorAll('dialog')]
    .filter(d => getComputedStyle(d).display !== 'none').length`);
  // On paper all cases are there: no text of a drawing leaves it, and no two lie upon each other.
  found.outside = await ask(`[...document.querySelectorAll('svg.ladder')].flatMap(s => {
    const f = s.getBoundingClientRect();
    return [...s.querySelectorAll('text')].filter(t => { const r = t.getBoundingClientRect();
      return r.left < f.left - 1 || r.right > f.right + 1 || r.bottom > f.bottom + 1; }).map(t => t.textContent); })`);
  found.overlaps = await ask(`[...document.querySelectorAll('svg.ladder')].flatMap(s => {
    const scale = s.getBoundingClientRect().width / s.viewBox.baseVal.width;
    const b = [...s.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
    return b.flatMap(([x, p], i) => b.slice(i + 1).filter(([, q]) =>
      Math.min(p.right, q.right) - Math.max(p.left, q.left) > 2 * scale &&
      Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 5 * scale).map(([y]) => x + ' / ' + y)); })`);

  console.log(JSON.stringify(found));
  end(0);
};
main().catch(e => fail(String(e)));
