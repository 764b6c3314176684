// Drives a stock client (lib-jitsi-meet as it is on npm) for specs: joins as a person would, plays what comes, and says what
// was decoded. Everything that a spec needs hangs on window.genuine.
const state = { log: [], errors: [], id: '', tracks: new Map(), messages: [], properties: {} };
let conference;
let connection;

addEventListener('error', ({ message }) => state.errors.push(message));
addEventListener('unhandledrejection', ({ reason }) => state.errors.push(`${reason}`));

function play(track) {
  const key = `${track.getParticipantId()}:${track.getType()}`;
  const element = document.createElement(track.getType());
  element.autoplay = true;
  element.width = 320;
  document.body.append(element);
  track.attach(element);
  state.tracks.set(key, { element, track });
  conference.setReceiverConstraints?.({ defaultConstraints: { maxHeight: 720 }, lastN: -1 });
}

const connections = () => [...(conference?.rtc?.peerConnections?.values() ?? [])].map((each) => each.peerconnection);

window.genuine = {
  state,

  async join({ domain, room, name, websocket = true, audio = true, video = true, focus }) {
    const { JitsiMeetJS } = window;
    await window.Olm.init({ locateFile: (file) => `/npm/@matrix-org/olm/${file}` });
    JitsiMeetJS.setLogLevel(JitsiMeetJS.logLevels.ERROR);
    JitsiMeetJS.init({ disableAudioLevels: true, enableAnalyticsLogging: false });
    const bosh = `${location.origin}/http-bind`;
    const options = {
      hosts: { domain, muc: `conference.${domain}`, ...(focus && { focus }) },
      serviceUrl: websocket ? `${location.origin.replace('http', 'ws')}/xmpp-websocket` : bosh,
      bosh,
      clientNode: 'http://jitsi.org/jitsimeet',
      p2p: { enabled: false },
      e2eping: { enabled: false },
      enableNoisyMicDetection: false,
      openBridgeChannel: 'websocket',
      testing: {},
      deploymentInfo: {},
    };
    connection = new JitsiMeetJS.JitsiConnection(null, null, options);
    const { connection: C, conference: E } = JitsiMeetJS.events;
    await new Promise((resolve, reject) => {
      connection.addEventListener(C.CONNECTION_ESTABLISHED, resolve);
      connection.addEventListener(C.CONNECTION_FAILED, reject);
      connection.connect();
    });
    const devices = [audio && 'audio', video && 'video'].filter(Boolean);
    const tracks = devices.length ? await JitsiMeetJS.createLocalTracks({ devices, resolution: 720 }) : [];
    conference = connection.initJitsiConference(room, options);
    conference.on(E.TRACK_ADDED, (track) => {
      if (!track.isLocal()) play(track);
    });
    conference.on(E.TRACK_REMOVED, (track) => {
      if (track.isLocal()) return;
      const key = `${track.getParticipantId()}:${track.getType()}`;
      state.tracks.get(key)?.element.remove();
      state.tracks.delete(key);
    });
    for (const event of ['KICKED', 'CONFERENCE_FAILED', 'USER_JOINED', 'USER_LEFT', 'TRACK_MUTE_CHANGED']) {
      if (E[event]) conference.on(E[event], (first) => state.log.push([event, `${first?.getId?.() ?? first}`]));
    }
    conference.on(E.MESSAGE_RECEIVED, (id, text) => state.messages.push([id, text]));
    conference.on(E.PARTICIPANT_PROPERTY_CHANGED, (participant, property, _before, value) => {
      state.properties[`${participant.getId()} ${property}`] = value;
    });
    for (const track of tracks) await conference.addTrack(track);
    conference.setDisplayName(name);
    const joined = new Promise((resolve) => conference.on(E.CONFERENCE_JOINED, resolve));
    conference.join();
    await joined;
    state.id = conference.myUserId();
    return { id: state.id, e2ee: conference.isE2EESupported() };
  },

  encrypt: (on) => conference.toggleE2EE(on),
  encrypted: () => conference.isE2EEEnabled(),
  leave: () => conference.leave().catch(() => {}),
  say: (text) => conference.sendTextMessage(text),
  participants: () =>
    conference.getParticipants().map((each) => ({
      id: each.getId(),
      name: each.getDisplayName(),
      role: each.getRole(),
      e2ee: each.hasFeature?.('https://jitsi.org/meet/e2ee'),
    })),

  /** What of each participant was decoded until now: frames of video, energy and samples of sound. */
  async received() {
    const bySsrc = new Map();
    for (const [key, { track }] of state.tracks) {
      const ssrc = track.getSSRC?.() ?? track.ssrc;
      bySsrc.set(Number(ssrc), key);
    }
    const result = {};
    for (const each of connections()) {
      for (const [, entry] of await each.getStats()) {
        if (entry.type !== 'inbound-rtp' || !bySsrc.has(entry.ssrc)) continue;
        result[bySsrc.get(entry.ssrc)] = {
          frames: entry.framesDecoded ?? 0,
          width: entry.frameWidth ?? 0,
          energy: entry.totalAudioEnergy ?? 0,
          concealed: entry.concealedSamples ?? 0,
          samples: entry.totalSamplesReceived ?? 0,
          packets: entry.packetsReceived ?? 0,
        };
      }
    }
    return result;
  },
};
// The library takes its worker from beside itself: in the second folder that is ours.
const wanted = new URLSearchParams(location.search);
await new Promise((resolve, reject) => {
  const script = document.createElement('script');
  script.src = `/${wanted.get('worker') === 'siegel' ? 'client-siegel' : 'client'}/lib-jitsi-meet.min.js`;
  script.addEventListener('load', resolve);
  script.addEventListener('error', reject);
  document.head.append(script);
});
// For people (`./start jitsi --stock`): the room in the address, encryption on.
if (wanted.has('room')) {
  await window.genuine.join({
    domain: wanted.get('domain') ?? 'meet.test',
    room: wanted.get('room'),
    name: 'Stock client',
  });
  await window.genuine.encrypt(true);
}
document.body.dataset.ready = '';
