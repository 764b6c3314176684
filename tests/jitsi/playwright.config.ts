import { suite } from '../browser/support/suite';

/** Conferences on real servers: Prosody, the focus and bridges of tests/servers/jitsi, stock clients. Each test has its own. */
export default suite('jitsi', 180_000, [{ name: 'jitsi' }]);
