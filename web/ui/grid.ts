/** How the tiles of a call share a space. Pure arithmetic: no DOM. */

export interface Grid {
  columns: number;
  rows: number;
  /** The last row, when it is not full, begins this many half columns in, so that it stands in the middle. */
  lastRowOffset: number;
  /** Rows of at least this height do not fit: the space scrolls, with rows of `rowHeight` CSS pixels. */
  scrolls: boolean;
  rowHeight: number;
}

/** Below this a face is no face any more, CSS pixels. */
const kMinRow = 104;
const kPicture = 16 / 9;
/** Cut at the sides down to a square still shows the person in the middle; cut at the top, it does not. */
const kNarrowest = 1;

/**
 * The number of columns that shows the most of `count` people, each in a picture of 16:9 cut to its tile. `width`, `height` and `gap`
 * in CSS pixels; any values are safe, nothing is thrown. Cost: a loop over `count`.
 */
export function gridFor(count: number, width: number, height: number, gap: number): Grid {
  const tiles = Math.max(1, Math.floor(count) || 1);
  let columns = 1;
  let best = -1;
  for (let n = 1; n <= tiles; n++) {
    const rows = Math.ceil(tiles / n);
    const w = (width - gap * (n - 1)) / n;
    const h = (height - gap * (rows - 1)) / rows;
    if (w <= 0 || h <= 0) continue;
    // How large, times how much of a person is seen; a nearly full last row decides between equals.
    const shape = w / h;
    const shown = Math.min(1, kPicture / shape, shape / kNarrowest);
    const score = w * h * shown * (1 - (0.02 * (rows * n - tiles)) / tiles);
    if (score > best) {
      best = score;
      columns = n;
    }
  }
  let rows = Math.ceil(tiles / columns);
  let rowHeight = (height - gap * (rows - 1)) / rows;
  const scrolls = rowHeight < kMinRow;
  if (scrolls) {
    // As many columns as leave tiles wide enough for a name and a badge.
    columns = Math.max(1, Math.min(tiles, Math.floor((width + gap) / (152 + gap))));
    rows = Math.ceil(tiles / columns);
    rowHeight = Math.max(kMinRow, (width - gap * (columns - 1)) / columns / kPicture);
  }
  const last = tiles - columns * (rows - 1);
  return { columns, rows, lastRowOffset: columns - last, scrolls, rowHeight: Math.max(0, Math.round(rowHeight)) };
}
