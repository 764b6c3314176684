/** Own line icons on a 24 grid, drawn in the text colour. Always next to a text or in a labelled button: hidden from readers. */
import { html, type SVGTemplateResult, svg, type TemplateResult } from 'lit';

function icon(content: SVGTemplateResult): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="1.8"
    stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">${content}</svg>`;
}

const slash = svg`<path d="M4 4l16 16" />`;
const microphone = svg`<rect x="9" y="3" width="6" height="11" rx="3" /><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />`;
const camera = svg`<rect x="3" y="6.5" width="12.5" height="11" rx="2.5" /><path d="M15.5 10.6l5-2.7v8.2l-5-2.7" />`;
const shield = svg`<path d="M12 3l7 2.6v5.6c0 4.5-2.9 7.9-7 9.6-4.1-1.7-7-5.1-7-9.6V5.600z" />`;

export const icons = {
  microphone: icon(microphone),
  microphoneOff: icon(svg`${microphone}${slash}`),
  camera: icon(camera),
  cameraOff: icon(svg`${camera}${slash}`),
  screen: icon(
    svg`<rect x="3" y="4.5" width="18" height="12" rx="2" /><path d="M8.5 20h7M12 13.500v-5.500M9.3 10.400L12 7.700l2.7 2.7" />`,
  ),
  screenOff: icon(
    svg`<rect x="3" y="4.5" width="18" height="12" rx="2" /><path d="M8.5 20h7M9.5 8l5 5M14.5 8l-5 5" />`,
  ),
  leave: icon(
    svg`<path d="M3.3 14.600c-.7-.7-.8-1.9-.1-2.700C5.3 9.5 8.5 8.2 12 8.200s6.7 1.3 8.8 3.700c.7.8.6 2-.1 2.700l-1 1c-.6.6-1.5.7-2.2.200l-2-1.400a1.6 1.6 0 0 1-.7-1.600l.2-1.100a10 10 0 0 0-6 0l.2 1.100c.1.6-.2 1.3-.7 1.600l-2 1.400c-.7.5-1.6.4-2.2-.200z" />`,
  ),
  hand: icon(
    svg`<path d="M8 12.500V5.800a1.4 1.4 0 0 1 2.8 0v5M10.8 10.500V4.300a1.4 1.4 0 0 1 2.8 0v6.200M13.6 10.500V5.800a1.4 1.4 0 0 1 2.8 0v7.400c0 4.5-2 7.3-5.3 7.3-2.4 0-3.8-1-5.2-3.400l-2-3.600c-.9-1.7 1-2.7 2.1-1.400L8 14.3" />`,
  ),
  settings: icon(
    svg`<circle cx="12" cy="12" r="3" /><path d="M12 3v2.500M12 18.500V21M3 12h2.500M18.5 12H21M5.6 5.600l1.8 1.800M16.6 16.600l1.8 1.800M18.4 5.600l-1.8 1.800M7.4 16.600l-1.8 1.8" />`,
  ),
  link: icon(
    svg`<path d="M10 14a4 4 0 0 0 5.7 0l3.1-3.100a4 4 0 0 0-5.7-5.700l-1 1M14 10a4 4 0 0 0-5.7 0l-3.1 3.100a4 4 0 0 0 5.7 5.700l1-1" />`,
  ),
  people: icon(
    svg`<circle cx="9" cy="8.5" r="3.3" /><path d="M3 19c.4-3.3 2.8-5.3 6-5.300s5.6 2 6 5.300M15.5 5.500a3.3 3.3 0 0 1 0 6M17.3 14.300c2.1.7 3.4 2.4 3.7 4.7" />`,
  ),
  speaker: icon(
    svg`<path d="M4 9.500v5h3.500l4.5 3.800V5.700L7.5 9.500zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.500a7.8 7.8 0 0 1 0 11" />`,
  ),
  chat: icon(svg`<path d="M4 5.500h16v11H11l-4.500 3.500v-3.500H4zM8 9.500h8M8 12.700h5" />`),
  send: icon(svg`<path d="M4 12l16-7.500-4.500 16-3.800-6.500zM11.700 14L20 4.500" />`),
  smile: icon(
    svg`<circle cx="12" cy="12" r="8.5" /><path d="M8.5 14c.9 1.600 2.100 2.300 3.500 2.300s2.600-.7 3.500-2.300M9 9.500v.1M15 9.500v.1" />`,
  ),
  server: icon(
    svg`<rect x="4" y="4.500" width="16" height="6.500" rx="2" /><rect x="4" y="13" width="16" height="6.500" rx="2" /><path d="M8 7.700v.1M8 16.200v.1" />`,
  ),
  lock: icon(
    svg`<rect x="5" y="10.500" width="14" height="9.500" rx="2.200" /><path d="M8.200 10.500V8a3.800 3.800 0 0 1 7.600 0v2.500" />`,
  ),
  pin: icon(svg`<path d="M9 3.500h6M10 3.500v6L6.500 14h11L14 9.500v-6M12 14v6.500" />`),
  unpin: icon(svg`<path d="M9 3.500h6M10 3.500v6L6.500 14h11L14 9.500v-6M12 14v6.500" />${slash}`),
  expand: icon(svg`<path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" />`),
  shrink: icon(svg`<path d="M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5" />`),
  close: icon(svg`<path d="M6 6l12 12M18 6L6 18" />`),
  plus: icon(svg`<path d="M12 5v14M5 12h14" />`),
  check: icon(svg`<path d="M5 12.500l4.5 4.500L19 7.5" />`),
  shieldGreen: icon(svg`${shield}<path d="M8.7 12l2.4 2.4 4.3-4.5" />`),
  shieldAmber: icon(svg`${shield}<path d="M12 8.200v4l2.4 1.6" />`),
  shieldRed: icon(svg`${shield}<path d="M12 8v4.700M12 15.900v.1" />`),
  warning: icon(svg`<path d="M12 4l9 15.500H3zM12 10v4.300M12 17v.1" />`),
  copy: icon(
    svg`<rect x="8.5" y="8.500" width="11" height="11" rx="2" /><path d="M15.500 8.500V6.500a2 2 0 0 0-2-2h-7a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h2" />`,
  ),
  download: icon(svg`<path d="M12 4v10.500M7.500 10.500l4.500 4.500 4.500-4.500M5 19.500h14" />`),
  key: icon(svg`<circle cx="8" cy="15.5" r="4" /><path d="M11 12.500L19.5 4M16 7.500l2.5 2.5" />`),
  gauge: icon(svg`<path d="M4 17.500a8.5 8.5 0 1 1 16 0M12 15.500l4-5.5" />`),
  leaf: icon(svg`<path d="M5 19c0-9 5-14 15-14 0 10-5 14-11 14-2 0-3.3-.6-4-2M5 19c1-4 4-7 8-8.5" />`),
  door: icon(svg`<path d="M13 4H6.500v16H13M11 12h9.500M17 8.500l3.5 3.5-3.5 3.5" />`),
  plug: icon(svg`<path d="M9 3.500v4.500M15 3.500v4.500M6 8h12v3.500a6 6 0 0 1-12 0zM12 17.500V21" />`),
  tabs: icon(
    svg`<rect x="3" y="7.5" width="13" height="12" rx="2" /><path d="M8 7.500V6a2 2 0 0 1 2-2h9a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-3" />`,
  ),
};

/** The sign of the product: a seal with a keyhole. */
export const mark = html`<svg class="mark" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true" focusable="false">
  <path fill="currentColor" d="M16 1.500l3.3 2.4 4.1-.5 1.6 3.8 3.8 1.6-.5 4.1 2.4 3.3-2.4 3.3.5 4.1-3.8 1.6-1.6 3.8-4.1-.5-3.3 2.4-3.3-2.4-4.1.5-1.6-3.8-3.8-1.6.5-4.100L1.3 16.200l2.4-3.3-.5-4.100L7 7.200l1.6-3.8 4.1.5z" />
  <path class="hole" d="M16 9.300a4.2 4.2 0 0 1 2.2 7.800l1.1 5.100h-6.600l1.1-5.100A4.2 4.2 0 0 1 16 9.300z" />
</svg>`;
