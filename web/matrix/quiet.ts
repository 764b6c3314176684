/**
 * Silences the SDKs. matrix-js-sdk and livekit-client write room ids, tokens and, at debug level, key messages to the
 * console; nothing of that may land in a log that a person pastes somewhere. Imported first by everything that uses them.
 */
import { getLogger, LoggerNames } from 'livekit-client';
import { type Logger, logger } from 'matrix-js-sdk/lib/logger';

const nothing = () => {};

/** For `createClient({ logger })`: drops everything, and so do its children. */
export const silentLogger: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  getChild: () => silentLogger,
};

/** The parts of loglevel's logger that its public type hides. */
interface RootLogger {
  methodFactory: (method: string, level: number, name: string | symbol) => (...message: unknown[]) => void;
  rebuild(): void;
  setLevel(level: 'silent', persist: boolean): void;
}

// Children take the factory of their parent, also those that the SDK makes later on its own.
const root = logger as unknown as RootLogger;
root.methodFactory = () => nothing;
root.setLevel('silent', false);
root.rebuild();

// Not `setLogLevel`: that would be remembered in this browser's localStorage.
for (const name of Object.values(LoggerNames)) (getLogger(name) as unknown as RootLogger).setLevel('silent', false);
