// What the table of actions says about each of them: where it stands on the wire, how its bytes are read and written,
// how it prints, and which words of the ovs-ofctl language produce it. The family files make rows with `action` (a
// declaration of fixed size) and `irregular` (a body written by hand).
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { pad, variant, type Codec, type Members, type Pad, type StructValue } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import type { Action } from './types.ts'

export const EXPERIMENTER = 0xffff
export const NX = 0x2320
export const ONF = 0x4f4e4600

/** An action type of OpenFlow itself (vendor 0), or a subtype of an experimenter's. */
export interface ActionId {
  readonly vendor: number
  readonly type: number
}
export const of = (type: number): ActionId => ({ vendor: 0, type })
export const nx = (type: number): ActionId => ({ vendor: NX, type })
export const onf = (type: number): ActionId => ({ vendor: ONF, type })

/** What a parser knows of the packets that reach it, and how deep it is. Actions change it as they are parsed. */
export interface ParseContext {
  /** VLAN tags that the match and the actions so far imply. */
  vlans: number
  /** IP protocol that the match fixes; 0 if none. */
  ipProto: number
  depth: number
}

/** The actions that one word means on an OpenFlow 1.3 connection; throws TextError. */
export type ParseWord = (argument: string, context: ParseContext) => readonly Action[]

interface Text<A> {
  format(this: void, action: A): string
  readonly words?: Readonly<Record<string, ParseWord>>
  /** Refuses what the layout allows and the action does not; `at` is where the action starts. */
  check?(this: void, action: A, r: Reader, at: number): void
}

export interface Row<A> extends Text<A> {
  readonly kind: string
  readonly id: ActionId
  /** Bounds of the length in bytes, header included. */
  readonly min: number
  readonly max: number
  /** The whole action, header included; reading starts at the header and ends at `r.end`. */
  readonly codec: Codec<A>
}

/** The actions of a family's rows. */
export type RowValue<R> = { [K in keyof R]: R[K] extends Row<infer A> ? A : never }[keyof R]

/** Lists of actions, as actions with actions inside need them. */
export interface ActionLists {
  /** Reads until `r.end`. `outer` decides which actions may stand there. */
  read(r: Reader, outer: Outer): readonly Action[]
  write(w: Writer, actions: readonly Action[]): void
  format(actions: readonly Action[]): string
  parse(text: string, outer: Outer, context: ParseContext): readonly Action[]
}
/** Where a list of actions stands; `action_set` is what a write_actions instruction adds to. */
export type Outer = 'none' | 'instruction' | 'action_set' | 'ct' | 'clone'

const MAX_LENGTH = 0xfff8
const headerSize = (id: ActionId): number => (id.vendor === 0 ? 4 : 10)

/** The constant start of an action: type and length, then experimenter and subtype. */
function header(id: ActionId, length: number): Pad {
  const set = (at: string): string =>
    id.vendor === 0
      ? `v.setUint32(${at}, ${id.type * 0x10000 + length})`
      : `v.setUint32(${at}, ${EXPERIMENTER * 0x10000 + length}); v.setUint32(${at} + 4, ${id.vendor});
         v.setUint16(${at} + 8, ${id.type})`
  return { ...pad(headerSize(id)), set }
}

/** An action of `size` bytes: its header, then `members`. */
export function action<const K extends string, const M extends Members>(
  kind: K,
  id: ActionId,
  size: number,
  members: M,
  text: Text<{ readonly kind: K } & StructValue<M>>,
): Row<{ readonly kind: K } & StructValue<M>> {
  const codec = variant(kind, { header: header(id, size), ...members }) as unknown as Codec<
    { readonly kind: K } & StructValue<M>
  >
  return { kind, id, min: size, max: size, codec, ...text }
}

/** An action without arguments. */
export function bare<const K extends string>(
  kind: K,
  id: ActionId,
  words: readonly string[] = [kind],
): Row<{ readonly kind: K }> {
  const value = { kind } as const
  return action(
    kind,
    id,
    id.vendor === 0 ? 8 : 16,
    { pad: pad(id.vendor === 0 ? 4 : 6) },
    {
      format: () => kind,
      words: Object.fromEntries(words.map((word) => [word, () => [value as unknown as Action]])),
    },
  )
}

/** An action whose body, from the end of the header to the end of the action, is read and written by hand. */
export function irregular<A extends { readonly kind: string }>(
  kind: A['kind'],
  id: ActionId,
  min: number,
  body: Codec<A>,
  text: Text<A>,
  max: number = MAX_LENGTH,
): Row<A> {
  const size = headerSize(id)
  const codec: Codec<A> = {
    read(r) {
      r.skip(size)
      return body.read(r)
    },
    write(w, value) {
      const at = w.reserve(size)
      if (id.vendor === 0) w.view.setUint16(at, id.type)
      else {
        w.view.setUint16(at, EXPERIMENTER)
        w.view.setUint32(at + 4, id.vendor)
        w.view.setUint16(at + 8, id.type)
      }
      body.write(w, value)
      w.align8(at)
      w.patchLength(at + 2, at)
    },
  }
  return { kind, id, min, max, codec, ...text }
}

/** An action of `size` bytes that is read and written by hand in one piece: `at` is where it starts. */
export function sized<A extends { readonly kind: string }>(
  kind: A['kind'],
  id: ActionId,
  size: number,
  body: { get(r: Reader, at: number): A; set(view: DataView, at: number, value: A): void },
  text: Text<A>,
): Row<A> {
  const codec: Codec<A> = {
    read: (r) => body.get(r, r.take(size)),
    write(w, value) {
      const at = w.reserve(size)
      const view = w.view
      view.setUint32(at, EXPERIMENTER * 0x10000 + size)
      view.setUint32(at + 4, id.vendor)
      view.setUint16(at + 8, id.type)
      body.set(view, at, value)
    },
  }
  return { kind, id, min: size, max: size, codec, ...text }
}

/** Refuses unless only zeros are left before `r.end`, and takes them. */
export function restZero(r: Reader, error = errorCodes.mustBeZero): void {
  for (let i = r.offset; i < r.end; i += 1) if (r.bytes[i] !== 0) r.fail(error, 'reserved bytes are not zero', i)
  r.offset = r.end
}
