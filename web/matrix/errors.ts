/** One error class for everything that leaves this folder; SDK errors stay inside, because their texts may hold addresses. */
import { ConnectionError, HTTPError, MatrixError as SdkError } from 'matrix-js-sdk/lib/matrix';
import type { MatrixProblem } from './types';

/** What functions of this folder reject with. The message is the problem alone: no address, token or payload. */
export class MatrixError extends Error {
  constructor(readonly problem: MatrixProblem) {
    super(problem);
    this.name = 'MatrixError';
  }
}

/** What kind of problem an SDK error, a failed fetch or one of our own is; `other` when nothing more can be said. */
export function problemOf(error: unknown, other: MatrixProblem = 'internal'): MatrixProblem {
  if (error instanceof MatrixError) return error.problem;
  if (error instanceof SdkError || error instanceof HTTPError) {
    if (error.httpStatus === 429) return 'rate-limited';
    switch (error instanceof SdkError ? error.errcode : undefined) {
      case 'M_LIMIT_EXCEEDED':
        return 'rate-limited';
      case 'M_UNKNOWN_TOKEN':
      case 'M_MISSING_TOKEN':
        return 'token-expired';
      case 'M_USER_DEACTIVATED':
      case 'M_USER_LOCKED':
      case 'ORG_MATRIX_MSC3939_USER_LOCKED':
      case 'M_USER_SUSPENDED':
        return 'account-disabled';
      default:
        return error.httpStatus !== undefined && error.httpStatus >= 500 ? 'offline' : other;
    }
  }
  if (error instanceof ConnectionError) return 'offline';
  const name = (error as { name?: unknown } | null)?.name;
  if (name === 'TokenRefreshLogoutError') return 'token-expired';
  if (name === 'TokenRefreshError' || name === 'AbortError' || name === 'TimeoutError') return 'offline';
  return other;
}

/** True when the same request may work a moment later. */
export function isPassing(problem: MatrixProblem): boolean {
  return (
    problem === 'offline' ||
    problem === 'rate-limited' ||
    problem === 'token-service-unreachable' ||
    problem === 'sfu-unreachable'
  );
}
