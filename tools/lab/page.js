// page.js - the report of a lab run: cells open their case, keys go from one to the next
'use strict';
(() => {
  const cells = [...document.querySelectorAll('.cell')];
  const shown = () => cells.filter(c => c.offsetParent !== null);
  const dialog = cell => document.getElementById('case-' + cell.dataset.case);
  let current = null;

  const open = cell => {
    if (current) { dialog(current).close(); }
    current = cell;
    const d = dialog(cell);
    d.showModal();
    d.scrollTop = 0;
    history.replaceState(null, '', '#' + cell.dataset.case);
  };
  const step = by => {
    const list = shown();
    const at = list.indexOf(current);
    if (at >= 0 && list[at + by]) { open(list[at + by]); }
  };

  cells.forEach(cell => {
    const d = dialog(cell);
    cell.addEventListener('click', () => open(cell));
    d.querySelector('.close').addEventListener('click', () => d.close());
    d.querySelector('.before').addEventListener('click', () => step(-1));
    d.querySelector('.after').addEventListener('click', () => step(1));
    d.addEventListener('click', e => { if (e.target === d) { d.close(); } });
    d.addEventListener('close', () => {
      // It may have been opened again, or another one, before this is told.
      if (current !== cell || d.open) { return; }
      current = null;
      history.replaceState(null, '', location.pathname + location.search);
      cell.focus();
    });
  });

  // Arrows: in an open case to the one before and after, among the cells to the nearest in that direction.
  const nearest = (from, key) => {
    const a = from.getBoundingClientRect();
    const across = key === 'ArrowUp' || key === 'ArrowDown';
    const sign = key === 'ArrowDown' || key === 'ArrowRight' ? 1 : -1;
    let best = null, least = Infinity;
    shown().forEach(c => {
      const b = c.getBoundingClientRect();
      const dx = b.left - a.left, dy = b.top - a.top;
      const along = (across ? dy : dx) * sign, aside = Math.abs(across ? dx : dy);
      if (along > 4 && along + 3 * aside < least) { least = along + 3 * aside; best = c; }
    });
    return best;
  };
  document.addEventListener('keydown', e => {
    if (e.ctrlKey || e.altKey || e.metaKey || !e.key.startsWith('Arrow')) { return; }
    if (current) {
      if (e.key === 'ArrowLeft') { step(-1); }
      if (e.key === 'ArrowRight') { step(1); }
      return;
    }
    if (!document.activeElement.classList.contains('cell')) { return; }
    const to = nearest(document.activeElement, e.key);
    if (to) { e.preventDefault(); to.focus(); }
  });

  const find = document.getElementById('find');
  const count = document.getElementById('count');
  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(w => w);
    let n = 0;
    cells.forEach(c => {
      const row = c.closest('tr') || c;
      row.hidden = !words.every(w => c.dataset.words.includes(w));
      n += !row.hidden;
    });
    document.querySelectorAll('section.group').forEach(s => {
      s.hidden = ![...s.querySelectorAll('.cell')].some(c => !(c.closest('tr') || c).hidden);
    });
    count.textContent = n + ' of ' + cells.length + ' cases';
  };
  find.addEventListener('input', filter);
  filter();

  const named = cells.find(c => '#' + c.dataset.case === decodeURIComponent(location.hash));
  if (named) { open(named); }
})();
