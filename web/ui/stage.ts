/**
 * <siegel-stage>: the pictures of a call. People in a grid; a shared screen, or whoever this person pinned, large with the
 * others beside it. Tells the call how large each picture is drawn (CallRoom.show).
 */
import { css, html, type PropertyValues } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { type CallRoom, initials, type LocalMedia, type Member } from '../call';
import { define, SiegelElement } from './element';
import { type Grid, gridFor } from './grid';
import { sharedStyles } from './styles';
import './tile';
import type { SiegelTile } from './tile';
import { TileSizes } from './tile_sizes';

/** Between tiles, CSS pixels; the style sheet below has the same. */
const kGap = 10;

interface Picture {
  /** 'screen <member>' or 'person <member>'. */
  key: string;
  draw(large: boolean): unknown;
}

/** As people write it: H264 → H.264. */
const codecName = (name: string) => name.replace(/^H26(\d)$/i, 'H.26$1');

export class SiegelStage extends SiegelElement {
  static override properties = {
    room: { attribute: false },
    media: { attribute: false },
    /** Grows with every change of the call. */
    version: { type: Number },
    /** The call is over: nothing is played. */
    stopped: { type: Boolean },
    speaking: { attribute: false },
    pinned: { state: true },
    area: { state: true },
  };
  declare room: CallRoom;
  declare media: LocalMedia;
  declare version: number;
  declare stopped: boolean;
  /** Ids of members; 'self' is this person. */
  declare speaking: ReadonlySet<string>;
  /** Key of the picture that this person wants large; '' for none. */
  declare pinned: string;
  declare area: { width: number; height: number };
  #sizes: TileSizes | undefined;
  #resize: ResizeObserver | undefined;
  #grid: Grid | undefined;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: block;
        height: 100%;
        min-height: 0;
        container-type: size;
        container-name: stage;
      }
      .grid {
        display: grid;
        gap: 10px;
        height: 100%;
      }
      .grid.scrolls {
        overflow: auto;
        overscroll-behavior: contain;
        align-content: start;
        scrollbar-width: thin;
        scrollbar-color: var(--line-strong) transparent;
      }
      .spotlight {
        display: grid;
        gap: 10px;
        height: 100%;
        grid-template: minmax(0, 1fr) / minmax(0, 1fr) clamp(9rem, 18cqw, 16rem);
      }
      .strip {
        display: grid;
        gap: 10px;
        align-content: start;
        grid-auto-rows: clamp(6.5rem, 11cqw, 9rem);
        overflow: auto;
        overscroll-behavior: contain;
        scrollbar-width: thin;
        scrollbar-color: var(--line-strong) transparent;
      }
      @container stage (max-aspect-ratio: 1/1) {
        .spotlight {
          grid-template: minmax(0, 1fr) clamp(6.5rem, 22cqh, 9.5rem) / minmax(0, 1fr);
        }
        .strip {
          grid-auto-flow: column;
          grid-template-rows: minmax(0, 1fr);
          grid-auto-rows: unset;
          grid-auto-columns: minmax(9.5rem, 1fr);
          align-content: stretch;
        }
      }
    `,
  ];

  constructor() {
    super();
    this.version = 0;
    this.stopped = false;
    this.speaking = new Set();
    this.pinned = '';
    this.area = { width: 0, height: 0 };
    this.addEventListener('pin', (event) => {
      event.stopPropagation();
      const { key, pinned } = (event as CustomEvent<{ key: string; pinned: boolean }>).detail;
      this.pinned = pinned ? '' : key;
    });
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#sizes = new TileSizes((member, lane, width, height) => this.room.show?.(member, lane, width, height));
    this.#resize = new ResizeObserver(([entry]) => {
      const { width = 0, height = 0 } = entry?.contentRect ?? {};
      if (width !== this.area.width || height !== this.area.height) this.area = { width, height };
    });
    this.#resize.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#sizes?.close();
    this.#resize?.disconnect();
  }

  override willUpdate(changed: PropertyValues<this>): void {
    // Whoever was pinned is gone: not again by surprise when they are back.
    if (changed.has('version') && this.pinned !== '' && !this.#pictures().some(({ key }) => key === this.pinned))
      this.pinned = '';
  }

  override render() {
    const pictures = this.#pictures();
    // Somebody else's screen is large by itself; the own one this person sees anyway.
    const large =
      pictures.find(({ key }) => key === this.pinned) ??
      pictures.find(({ key }) => key.startsWith('screen ') && key !== 'screen own');
    this.#grid =
      large && pictures.length > 1 ? undefined : gridFor(pictures.length, this.area.width, this.area.height, kGap);
    if (this.#grid || !large) {
      return html`<div class="grid ${this.#grid?.scrolls ? 'scrolls' : ''}">${repeat(
        pictures,
        ({ key }) => key,
        (picture) => picture.draw(false),
      )}</div>`;
    }
    // By key: whoever comes to the large place is another element, so no picture stands under another one's name.
    return html`<div class="spotlight">
      ${repeat(
        [large],
        ({ key }) => key,
        (picture) => picture.draw(true),
      )}
      <div class="strip" role="group" aria-label=${this.t.others}>${repeat(
        pictures.filter((picture) => picture !== large),
        ({ key }) => key,
        (picture) => picture.draw(false),
      )}</div>
    </div>`;
  }

  override updated(): void {
    const tiles = [...this.renderRoot.querySelectorAll<SiegelTile>('siegel-tile')];
    this.#place(tiles);
    this.#sizes?.follow(
      tiles.flatMap((element) => {
        const { member, screen, own } = element;
        if (own || member === 'own') return [];
        return [{ element, member, lane: screen ? ('screen' as const) : ('video' as const), whole: screen }];
      }),
    );
  }

  /** By script and not in the template: the page's policy allows no style attributes. */
  #place(tiles: readonly SiegelTile[]): void {
    const grid = this.#grid;
    const style = this.renderRoot.querySelector<HTMLElement>('.grid')?.style;
    if (!grid || !style) return;
    // Each tile is two half columns wide; the last row, when it is not full, stands in the middle.
    style.gridTemplateColumns = `repeat(${grid.columns * 2}, minmax(0, 1fr))`;
    style.gridAutoRows = grid.scrolls ? `${grid.rowHeight}px` : 'minmax(0, 1fr)';
    const firstOfLast = grid.columns * (grid.rows - 1);
    for (const [at, tile] of tiles.entries())
      tile.style.gridColumn =
        at === firstOfLast && grid.lastRowOffset > 0 ? `${grid.lastRowOffset + 1} / span 2` : 'span 2';
  }

  #pictures(): Picture[] {
    const { room, media, t } = this;
    const members = room.members;
    const screens = members
      .filter((member) => member.state?.screen)
      .map((member) =>
        this.#screen(
          member.id,
          t.screenOf(member.name || t.someone),
          this.stopped ? undefined : member.streams.get('screen'),
          member,
        ),
      );
    const people = members.map((member) => this.#person(member));
    const ownScreen = media.screenStream ? [this.#screen('own', t.yourScreen, media.screenStream)] : [];
    return [...screens, ...people, this.#self(), ...ownScreen];
  }

  #screen(id: string, name: string, stream: MediaStream | undefined, member?: Member): Picture {
    const key = `screen ${id}`;
    return {
      key,
      draw: (large) => html`<siegel-tile screen
        .key=${key}
        .member=${id}
        .name=${name}
        .stream=${stream}
        .badge=${member?.badge}
        .status=${member?.unplayable ? this.t.unplayableTile(codecName(member.unplayable)) : stream ? '' : this.t.connectingTile}
        .large=${large}
        .pinned=${this.pinned === key}
        @numbers=${() => this.announce('numbers-of', id)}
      ></siegel-tile>`,
    };
  }

  #person(member: Member): Picture {
    const { t } = this;
    const { state, badge } = member;
    const status =
      badge.cause === 'connection-lost'
        ? t.lostTile
        : badge.cause === 'connecting' || badge.cause === 'handshake'
          ? t.connectingTile
          : member.unplayable
            ? t.unplayableTile(codecName(member.unplayable))
            : '';
    const key = `person ${member.id}`;
    return {
      key,
      draw: (large) => html`<siegel-tile
        .key=${key}
        .member=${member.id}
        .name=${member.name || t.someone}
        .letters=${initials(member.name)}
        .mark=${member.mark}
        .stream=${state?.video && !this.stopped ? member.streams.get('video') : undefined}
        .muted=${state !== undefined && !state.audio}
        .hand=${state?.hand ?? false}
        .speaking=${this.speaking.has(member.id)}
        .avatar=${member.avatar ?? ''}
        .reaction=${member.reaction ?? ''}
        .badge=${badge}
        .status=${status}
        .large=${large}
        .pinned=${this.pinned === key}
        @numbers=${() => this.announce('numbers-of', member.id)}
      ></siegel-tile>`,
    };
  }

  #self(): Picture {
    const { t, room, media } = this;
    return {
      key: 'person self',
      draw: (large) => html`<siegel-tile own mirrored
        .key=${'person self'}
        .member=${room.me}
        .name=${room.name ? t.youNamed(room.name) : t.you}
        .letters=${initials(room.name)}
        .stream=${media.cameraStream}
        .muted=${!media.talking}
        .hand=${room.handRaised}
        .speaking=${this.speaking.has('self')}
        .large=${large}
        .pinned=${this.pinned === 'person self'}
      ></siegel-tile>`,
    };
  }
}
define('siegel-stage', SiegelStage);
