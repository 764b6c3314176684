import { suite } from '../browser/support/suite';

/** Calls on real servers: Synapse, LiveKit, genuine Element Call. Each test starts its own browsers and servers. */
export default suite('matrix', 240_000, [{ name: 'matrix' }]);
