/** The worker as livekit-client publishes it, as a script of its own. */
import 'livekit-client/e2ee-worker';
