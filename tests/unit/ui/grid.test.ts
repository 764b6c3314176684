import { describe, expect, it } from 'vitest';
import { gridFor } from '../../../web/ui/grid';

const of = (count: number, width: number, height: number) => {
  const { columns, rows } = gridFor(count, width, height, 10);
  return `${columns} x ${rows}`;
};

describe('tiles of a call', () => {
  it.each([
    // A phone upright, a tablet upright, a laptop, a large screen: the stage, without header and controls.
    [1, 340, 560, '1 x 1'],
    [2, 340, 560, '1 x 2'],
    [3, 340, 560, '1 x 3'],
    [5, 340, 560, '2 x 3'],
    [2, 750, 860, '1 x 2'],
    [2, 1260, 640, '2 x 1'],
    [3, 1260, 640, '2 x 2'],
    [5, 1260, 640, '3 x 2'],
    [9, 1260, 640, '3 x 3'],
    [9, 1900, 920, '3 x 3'],
    [3, 1900, 500, '3 x 1'],
  ])('%d in %d x %d: %s', (count, width, height, wanted) => {
    expect(of(count, width, height)).toBe(wanted);
  });

  it('has room for everybody, and puts what is left over in the middle', () => {
    for (let count = 1; count <= 60; count++)
      for (const [width, height] of [
        [340, 560],
        [1260, 640],
        [640, 200],
      ] as const) {
        const grid = gridFor(count, width, height, 10);
        expect(grid.columns * grid.rows).toBeGreaterThanOrEqual(count);
        expect(grid.columns * (grid.rows - 1)).toBeLessThan(count);
        const last = count - grid.columns * (grid.rows - 1);
        // In half columns: as much to the left as to the right.
        expect(grid.lastRowOffset + last * 2 + grid.lastRowOffset).toBe(grid.columns * 2);
        const used = grid.rowHeight * grid.rows + 10 * (grid.rows - 1);
        if (!grid.scrolls) expect(used).toBeLessThanOrEqual(height + grid.rows);
      }
  });

  it('scrolls before faces become too small', () => {
    const grid = gridFor(40, 340, 560, 10);
    expect(grid.scrolls).toBe(true);
    expect(grid.columns).toBe(2);
    expect(grid.rowHeight).toBeGreaterThanOrEqual(104);
  });

  it.each([
    [0, 100, 100],
    [Number.NaN, 100, 100],
    [3, 0, 0],
    [3, -5, 10],
    [100_000, 1, 1],
  ])('%d in %d x %d is safe', (count, width, height) => {
    const grid = gridFor(count, width, height, 10);
    expect(grid.columns).toBeGreaterThanOrEqual(1);
    expect(grid.rows).toBeGreaterThanOrEqual(1);
    expect(grid.lastRowOffset).toBeGreaterThanOrEqual(0);
    expect(grid.rowHeight).toBeGreaterThanOrEqual(0);
  });
});
