// What the page draws again and again in a call of many: only what says something else than before.
import { expect, it, vi } from 'vitest';
import { otherBadge } from '../../../web/ui/badge';
import { clockTime } from '../../../web/ui/clock';
import { SiegelWarnings } from '../../../web/ui/warnings';

it('a badge measured anew that says the same is not drawn again', () => {
  const measured = () => ({ level: 'green', cause: 'sealed' }) as never;
  expect(otherBadge(measured(), measured())).toBe(false);
  expect(otherBadge({ level: 'amber', cause: 'rekey' }, measured())).toBe(true);
  expect(otherBadge({ level: 'amber', cause: 'rekey' }, { level: 'amber', cause: 'alone' })).toBe(true);
  expect(otherBadge(undefined, measured())).toBe(true);
  expect(otherBadge(undefined, undefined)).toBe(false);
});

it('a list of the same warnings is not drawn again', () => {
  const { hasChanged } = SiegelWarnings.properties.warnings;
  const [a, b, c] = ['a', 'b', 'c'].map((id) => ({ id, kind: 'new-device', name: '', at: 0 }) as never);
  expect(hasChanged([a, b] as never, [a, b] as never)).toBe(false);
  expect(hasChanged([a, b] as never, [a] as never)).toBe(true);
  expect(hasChanged([a, b] as never, [a, c] as never)).toBe(true);
  expect(hasChanged([], undefined)).toBe(false);
});

it('the format of times is made once', () => {
  let made = 0;
  const Native = Intl.DateTimeFormat;
  vi.stubGlobal('Intl', {
    ...Intl,
    DateTimeFormat: class extends Native {
      constructor(...rest: ConstructorParameters<typeof Native>) {
        super(...rest);
        made++;
      }
    },
  });
  const times = Array.from({ length: 100 }, (_, minute) => clockTime(Date.UTC(2026, 0, 1, 12, minute)));
  expect(made).toBe(1);
  expect(times[0]).toMatch(/\d\d.00/);
  expect(new Set(times).size).toBe(100);
  vi.unstubAllGlobals();
});
