/**
 * Every text a person can see or hear, in English. `de.ts` must have the same keys: a missing one does not compile.
 * Texts with a part to fill in are functions.
 */
export const en = {
  languageName: 'English',
  appName: 'Siegel',
  tagline: 'Calls that only the people in them can see and hear.',
  language: 'Language',
  close: 'Close',
  cancel: 'Cancel',
  tryAgain: 'Try again',
  startOver: 'Back to start',
  you: 'You',
  guest: 'Guest',
  someone: 'Someone',
  noScript: 'This page needs JavaScript.',

  // Start page
  startTitle: 'Encrypted calls in your browser',
  startText:
    'Sound and picture are sealed on your device before they leave it, and opened only on the devices of the people you invite. The server in between passes on what it cannot read.',
  startCall: 'Start a call',
  startCallHint: 'Creates a room and a link to invite others. Up to six people.',
  haveLink: 'Have an invitation?',
  linkLabel: 'Invitation link',
  linkPlaceholder: 'Paste the link here',
  openLink: 'Join',
  pointKeyTitle: 'The key stays with you',
  pointKeyText: 'It is part of the link, behind the #. Browsers never send that part to a server.',
  pointMeasureTitle: 'Measured, not promised',
  pointMeasureText: 'The badge on every picture counts frames that were really opened and verified.',
  pointNothingTitle: 'Nothing is kept',
  pointNothingText: 'No account, no cookies, nothing stored, no request to anybody else.',

  // Links
  linkProblem: {
    'no-room': 'This link names no room. Ask for the whole link again.',
    'bad-room': 'The name of the room in this link is damaged. Ask for the whole link again.',
    'no-secret':
      'The key is missing: the part of the link behind the # got lost on the way. Ask for the whole link again.',
    'bad-secret':
      'The key in this link is damaged: the part behind the # is not complete. Ask for the whole link again.',
    'other-site': 'This link leads to another site. Open it there.',
    'not-a-link': 'This is not a link. Paste the whole invitation, starting with https://.',
  },
  linkProblemTitle: 'This link does not work',
  linkReloaded:
    'If you have just reloaded the page: the key is removed from the address bar for safety. Open the invitation again.',

  // Lobby
  lobbyTitle: 'Ready to join?',
  lobbyInvited: 'You were invited to a call.',
  lobbyNew: 'Your call is ready. You can invite others once you are in.',
  preview: 'Your picture',
  askDevicesTitle: 'Camera and microphone are off',
  askDevicesText: 'Your browser asks you when you turn them on. Nothing is sent before you join.',
  askDevices: 'Turn on camera and microphone',
  cameraOffPreview: 'Camera is off',
  yourName: 'Your name',
  namePlaceholder: 'Shown to the others; may stay empty',
  join: 'Join now',
  joining: 'Joining…',
  joinWithout: 'Join without camera and microphone',
  camera: 'Camera',
  microphone: 'Microphone',
  speaker: 'Speaker',
  defaultDevice: 'Default device',
  deviceNumber: (kind: string, n: number) => `${kind} ${n}`,
  level: 'Microphone level',
  testSpeaker: 'Play a test sound',
  engineStarting: 'Preparing encryption…',
  engineReady: 'Encryption is ready.',
  problem: {
    denied:
      'The browser was told not to give access. Click the camera symbol or the lock in the address bar to allow it, then try again.',
    'denied-by-system':
      'The operating system does not let this browser use it. Allow it in the privacy settings of your device, then try again.',
    missing: 'No device found. Plug one in, or join without it.',
    busy: 'The device is in use by another program or does not answer. Close the other program and try again.',
    insecure: 'Browsers give camera and microphone only to pages opened over https. Ask for an https address.',
    cancelled: 'Cancelled.',
  },
  problemCamera: 'Camera',
  problemMicrophone: 'Microphone',
  problemScreen: 'Screen sharing',

  // Call
  call: 'Call',
  people: (n: number) => (n === 1 ? '1 person' : `${n} people`),
  mute: 'Mute microphone',
  unmute: 'Unmute microphone',
  muteShort: 'Mute',
  unmuteShort: 'Unmute',
  cameraOn: 'Turn camera on',
  cameraOff: 'Turn camera off',
  cameraShort: 'Camera',
  share: 'Share screen',
  stopShare: 'Stop sharing',
  shareShort: 'Share',
  youShare: 'You are sharing your screen.',
  leave: 'Leave call',
  leaveShort: 'Leave',
  more: 'More',
  settings: 'Settings',
  raiseHand: 'Raise hand',
  lowerHand: 'Lower hand',
  handRaised: 'Hand raised',
  invite: 'Invite',
  copyLink: 'Copy invitation link',
  linkCopied: 'Invitation link copied. Whoever has it can join and listen.',
  copyFailed: 'The browser did not allow copying. Copy the link from this field:',
  aloneTitle: 'Nobody else is here yet',
  aloneText: 'Send the invitation link to the people you want to talk to. It contains the key: use a way you trust.',
  showNumbers: (name: string) => `Encryption of ${name}: show the numbers`,
  showCallNumbers: 'Encryption of this call: show the numbers',
  isMuted: 'Microphone is muted',
  isSpeaking: 'is speaking',
  screenOf: (name: string) => `${name}: screen`,
  yourScreen: 'Your screen',
  connectingTile: 'Connecting…',
  lostTile: 'Connection lost. Trying again…',
  shortcuts: 'Keyboard shortcuts',
  shortcutMute: 'Microphone on or off',
  shortcutCamera: 'Camera on or off',
  shortcutHand: 'Raise or lower hand',
  shortcutTalk: 'Hold to talk while muted',
  shortcutList: 'Show this list',
  keyCtrl: 'Ctrl',
  keyShift: 'Shift',
  keySpace: 'Space',
  hearAll: 'Click to hear the others',
  away: 'The connection to the server is lost. The call goes on; nobody new can join until it is back.',
  mayListen: (names: string) => `${names} has left and may still be able to listen until the new key is in use.`,

  // Announcements
  toastJoined: (name: string) => `${name} has joined.`,
  toastLeft: (name: string) => `${name} has left.`,
  toastStranger: 'Someone is here with a different link. They can neither see nor hear this call.',
  toastMuted: 'Microphone muted.',
  toastUnmuted: 'Microphone on.',
  toastCameraOn: 'Camera on.',
  toastCameraOff: 'Camera off.',
  toastSharing: 'You are sharing your screen.',
  toastShareEnded: 'Screen sharing has ended.',
  toastHand: (name: string) => `${name} raises a hand.`,
  toastAway: 'Connection to the server lost. Trying again…',
  toastBack: 'Connected to the server again.',
  lost: {
    microphone: 'The microphone was disconnected and there is no other.',
    camera: 'The camera was disconnected and there is no other.',
    screen: 'Screen sharing has ended.',
  },
  badgeTurned: (name: string, text: string) => `${name}: ${text}`,

  // Badge: a short label, and what it means
  badge: {
    verified: ['Encrypted', 'Frames of this person were opened and verified within the last second.'],
    alone: ['Waiting', 'Nobody else is here, so nothing can be measured yet.'],
    'engine-starting': ['Starting', 'The encryption engine is starting. Nothing is sent before it runs.'],
    handshake: ['Agreeing keys', 'Both sides are proving that they have the same link.'],
    connecting: ['Connecting', 'Keys are agreed; the connection for sound and picture is being made.'],
    'connection-lost': ['Connection lost', 'Nothing arrives at the moment. The connection is being restored.'],
    'waiting-key': ['Waiting for key', 'Frames arrive whose key has not come yet. They are not played.'],
    rekey: ['Changing keys', 'Someone joined or left, so the keys are being changed. This takes a moment.'],
    'no-frames': ['No media yet', 'This person has turned on sound or picture, but no frame has arrived yet.'],
    stalled: ['Stalled', 'Sound or picture has stopped arriving.'],
    'nothing-sent': ['Nothing sent', 'Microphone and camera are off. There is nothing to measure.'],
    unsupported: ['Unsupported', 'Frames arrive in a coding that cannot be opened safely. They are dropped.'],
    rejected: [
      'Not verified',
      'Frames arrive that do not verify: they were sealed with another key or changed on the way. They are not played.',
    ],
    'no-key': ['No key', 'Frames arrive, but their key does not. They are not played.'],
    'other-link': [
      'Different link',
      'This person joined with a different link or key. They can neither see nor hear you, and nothing from them is played.',
    ],
    'unverified-device': [
      'Unverified device',
      'Frames of this person open, but their device is not signed by its owner. Whoever controls the account could have added it.',
    ],
    'clear-media': [
      'Not encrypted',
      'Frames that are not encrypted came in under this person’s name. They were refused and are not played.',
    ],
    'room-not-encrypted': [
      'Room not encrypted',
      'Sound and picture are sealed, but the room itself is not: its server can read names, chat and who is here, and can put in people.',
    ],
    'changed-identity': [
      'Identity changed',
      'This person’s cryptographic identity is another one than before. Ask them on another way whether they set up their account anew.',
    ],
    'engine-silent': [
      'Engine silent',
      'The encryption engine does not report any more. What is shown here may be old.',
    ],
    'engine-failed': ['Engine stopped', 'The encryption engine has stopped. Nothing is sent or played.'],
  },
  level3: { green: 'good', amber: 'open', red: 'warning' },

  // Numbers
  numbersOf: (name: string) => `Encryption: ${name}`,
  numbersOfCall: 'Encryption of this call',
  numbersHint: 'Counted by the engine on this device since the person joined.',
  sentByYou: 'Sent by you',
  sealed: 'Frames sealed',
  opened: 'Frames opened and verified',
  handedOver: 'Frames arrived',
  rejectedFrames: 'Frames rejected',
  replays: 'Replayed frames rejected',
  emptyFrames: 'Empty frames dropped',
  bytes: 'Bytes',
  keyIndex: 'Key',
  keyText: (index: number, generation: number) => `no. ${index}, generation ${generation}`,
  noKey: 'none yet',
  codecs: 'Coding',
  engine: 'Engine',
  engineText: { simd: 'WebAssembly SIMD', 'simd-relaxed': 'WebAssembly relaxed SIMD' },
  perFrame: 'Time per frame',
  micros: (text: string) => `${text} µs`,
  viaWebCrypto: 'Of these through WebCrypto',
  track: 'Track',
  none: 'none',
  lanes: { audio: 'Microphone', video: 'Camera', screen: 'Screen', 'screen-audio': 'Sound of the screen' },
  reason: {
    missingKey: 'no key',
    authentication: 'not verified',
    replay: 'replayed',
    malformed: 'damaged',
    frameTooShort: 'too short',
    unsupportedCodec: 'unsupported coding',
    unsupportedFrameType: 'unknown kind of frame',
    bufferTooSmall: 'too large',
    counterExhausted: 'key used up',
    injectedFrame: 'inserted by a server',
    tooManyStreams: 'too many streams',
    internal: 'internal fault',
  },
  insiders:
    'Everybody in the call has the key of everybody else: the badge keeps out whoever does not have the link, but does not prove which member sealed a frame.',

  // Screens instead of the call
  fail: {
    'no-webrtc': [
      'This browser cannot make calls',
      'It has no WebRTC, or WebRTC is switched off. Use a current Firefox, Chrome, Edge or Safari.',
    ],
    'no-encoded-transform': [
      'This browser cannot encrypt calls',
      'It lacks the interface for sealing sound and picture (encoded transforms). Siegel does not call without it. Please update the browser.',
    ],
    'no-wasm': [
      'WebAssembly is switched off',
      'The encryption runs in WebAssembly. Allow it in the settings of the browser, or use another browser.',
    ],
    'no-simd': [
      'This browser is too old for the encryption',
      'It lacks WebAssembly SIMD (Chrome 91, Firefox 89, Safari 16.4 or newer have it). Please update the browser.',
    ],
    'wasm-mime': [
      'The server delivers the encryption wrongly',
      'The engine came with the wrong type (it must be application/wasm). Whoever runs this site can correct that. Nothing was sent.',
    ],
    'wasm-load': [
      'The encryption could not be loaded',
      'The engine did not arrive: the network failed, a filter blocked it, or the file is missing. Nothing was sent.',
    ],
    'worker-load': [
      'The encryption did not start',
      'The background script did not load: the network failed or a filter blocked it. Nothing was sent.',
    ],
    'worker-died': [
      'The encryption has stopped',
      'The engine ended unexpectedly. Camera, microphone and screen are no longer sent, and nothing is played. Join again to go on with a new engine and new keys.',
    ],
    'attached-late': [
      'A connection was not secured in time',
      'Something could have been sent before the encryption was in place, so the call was ended. Join again.',
    ],
    closed: ['The encryption has ended', 'The engine was closed. Join again to go on.'],
    'no-x25519': [
      'This browser is too old for the key exchange',
      'It lacks X25519 (Chrome 133, Firefox 130, Safari 17 or newer have it). Please update the browser.',
    ],
    insecure: [
      'This address is not secure',
      'Browsers offer cameras and encryption only to pages opened over https or on this computer (localhost). Open the page with https.',
    ],
    internal: ['Something went wrong', 'The call was stopped so that nothing leaves unprotected. Join again to go on.'],
  },
  fullTitle: 'This call is full',
  fullText: (max: number) =>
    `${max === 1 ? 'There is already 1 person' : `There are already ${max} people`} in it. Try again when someone has left.`,
  busyTitle: 'The server is busy',
  busyText: 'It takes no new calls at the moment. Try again in a few minutes.',
  badMessageTitle: 'The server refused the connection',
  badMessageText:
    'This page and the server do not understand each other. Reload the page; if that does not help, tell whoever runs this site.',
  duplicateTitle: 'You are already in this call',
  duplicateText:
    'It is open in another tab or window of this browser. You can go on there, or take the call over to this tab.',
  takeOver: 'Take over here',
  replacedTitle: 'The call goes on in another tab',
  replacedText: 'You took it over there. This tab has left the call.',
  unreachableTitle: 'The server does not answer',
  unreachableText: 'It may be down, or this device is offline. Trying again by itself.',
  leftTitle: 'You have left the call',
  leftText: 'Camera and microphone are off, the keys are wiped.',
  rejoin: 'Join again',
  rejoinHint: 'Possible for a minute; after that open the invitation again.',
  // Chat, reactions, warnings
  chat: 'Chat',
  chatOpen: 'Open chat',
  chatUnread: (n: number) => (n === 1 ? '1 new message' : `${n} new messages`),
  chatEmpty: 'No messages yet.',
  chatSealed: 'Messages are end-to-end encrypted and stay in the room.',
  chatClear: 'This room is not encrypted: its server can read these messages.',
  chatPlaceholder: 'Message',
  chatSend: 'Send',
  chatSending: 'Sending…',
  chatFailed: 'Not sent.',
  chatUnreadable: 'This message cannot be read: its key is not on this device.',
  chatEdited: 'edited',
  chatTooLong: (n: number) => `${n} characters too long`,
  chatNew: (name: string) => `${name} wrote a message.`,
  react: 'React',
  reactWith: (emoji: string) => `React with ${emoji}`,
  reacted: (name: string, emoji: string) => `${name} reacts: ${emoji}`,
  warnings: 'Security notices',
  warningsCount: (n: number) => (n === 1 ? '1 security notice' : `${n} security notices`),
  warningsNone: 'There is nothing to report.',
  warning: {
    'clear-media': {
      title: 'Unencrypted media refused',
      text: (name: string) =>
        `Frames that are not encrypted came in under the name of ${name}. They are not played. A server on the way may be trying to put something in.`,
    },
    'claimed-clear': {
      title: 'The server claims: not encrypted',
      text: (name: string) =>
        `The media server says that a track of ${name} is not encrypted. That is ignored: only what can be opened and verified is played.`,
    },
    'keys-without-membership': {
      title: 'Key from outside the call',
      text: (name: string) => `${name} sent a key for this call without being in it. It is not used.`,
    },
    'membership-without-keys': {
      title: 'No key from a member',
      text: (name: string) => `${name} is in the call, but no key has come. Their sound and picture cannot be opened.`,
    },
    'unknown-identity': {
      title: 'Stranger at the media server',
      text: (name: string) =>
        `The media server lists somebody who is not in the call (${name}). They get no key and are not shown.`,
    },
    'unverified-device': {
      title: 'Unverified device',
      text: (name: string) =>
        `${name} uses a device that its owner has not signed. Whoever controls the account could have added it.`,
    },
    'changed-identity': {
      title: 'Identity changed',
      text: (name: string) =>
        `The cryptographic identity of ${name} is another one than before. Ask on another way whether the account was set up anew.`,
    },
    'new-device': {
      title: 'New device',
      text: (name: string) => `${name} joined with a device that was not seen here before.`,
    },
    'room-not-encrypted': {
      title: 'Room not encrypted',
      text: () =>
        'The server of this room can read names, chat and who is here, and can put in people. Sound and picture are still sealed.',
    },
  },
  trust: {
    verified: 'Verified by you',
    known: 'Signed by its owner',
    unverified: 'Not signed by its owner',
    changed: 'Owner’s identity changed',
  },
  trustLabel: 'Device',
  addressLabel: 'Address',
  exposure: 'Last key change',
  exposureText: (seconds: string) => `${seconds} s after the person left`,
  reconnecting: 'The connection to the media server is lost. Trying again; nothing of your call is lost.',
  toastReconnecting: 'Media connection lost. Trying again…',
  linkCopiedRoom: 'Link copied. Only members of the room can use it.',
  aloneTextRoom: 'Members of the room can join from here or from Element. Copy the link to tell them.',

  details: 'Details',
};

type Widen<T> = T extends string
  ? string
  : T extends (...args: infer A) => string
    ? (...args: A) => string
    : T extends readonly string[]
      ? string[]
      : { [K in keyof T]: Widen<T[K]> };

export type Messages = Widen<typeof en>;
