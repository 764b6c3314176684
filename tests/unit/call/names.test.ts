// Who is told apart from whom by name.
import { describe, expect, it } from 'vitest';
import { lookAlikes, sameLook } from '../../../web/call/names';

describe('names that look alike', () => {
  it('are found for everybody at once, as by comparing each with each', () => {
    const names = ['Anna', 'anna', 'A-n n.a', 'Bert', 'Ａｎｎａ', 'Be\u0301rt', '', '-', 'Cleo', 'Anna '];
    const pairwise = names.map((one) => names.flatMap((other, i) => (sameLook(one, other) ? [i] : [])));
    expect(lookAlikes(names)).toEqual(pairwise);
    expect(lookAlikes(names)[0]).toEqual([0, 1, 2, 4, 9]);
    expect(lookAlikes(names)[8]).toEqual([8]);
    expect(lookAlikes([])).toEqual([]);
  });
});
