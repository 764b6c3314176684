import { describe, expect, it } from 'vitest';
import { problemOf } from '../../../web/call/local_media';

describe('why a device cannot be had', () => {
  it.each([
    [new DOMException('Permission denied', 'NotAllowedError'), 'denied'],
    [new DOMException('Permission denied by system', 'NotAllowedError'), 'denied-by-system'],
    [new DOMException('', 'SecurityError'), 'denied'],
    [new DOMException('', 'NotFoundError'), 'missing'],
    [{ name: 'OverconstrainedError', constraint: 'deviceId' }, 'missing'],
    [new DOMException('', 'NotReadableError'), 'busy'],
    [new DOMException('', 'AbortError'), 'busy'],
    [new TypeError('x'), 'busy'],
    [null, 'busy'],
  ] as const)('%s is %s', (error, problem) => {
    expect(problemOf(error)).toBe(problem);
  });
});
