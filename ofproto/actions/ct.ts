// Connection tracking: ct with the actions it runs on the connection, ct_clear, and clone, which nests in the same way.
import { formatSubfield, parseSubfield } from '../fields/subfield.ts'
import { items, parseTable, parseUint, TextError } from '../text/tokens.ts'
import { errorCodes } from '../wire/errors.ts'
import { bare, irregular, nx, type ActionLists, type ParseContext, type Row } from './row.ts'
import { formatNat, isBareNat, parseNat } from './nat.ts'
import { checkSource, ofsNbits, readField32, subfield, writeFieldHeader, type Subfield } from './subfield-wire.ts'
import type { Action } from './types.ts'

export interface Ct {
  readonly kind: 'ct'
  readonly commit: boolean
  /** Replaces a connection of the opposite direction; only with `commit`. */
  readonly force: boolean
  /** The zone, unless `zoneSource` says where it stands. */
  readonly zone: number
  /** 16 bits. */
  readonly zoneSource: Subfield | null
  /** Where a copy of the packet goes on, its state known; null if nowhere. */
  readonly table: number | null
  /** Port of the protocol whose helper watches the connection (FTP 21, TFTP 69), 0 for none. */
  readonly alg: number
  /** nat, and what sets ct_mark and ct_label. */
  readonly actions: readonly Action[]
}

export interface Clone {
  readonly kind: 'clone'
  readonly actions: readonly Action[]
}

const COMMIT = 1
const FORCE = 2
const NO_TABLE = 255
const FTP = 21
const TFTP = 69

export interface CtRows {
  readonly ct: Row<Ct>
  readonly ct_clear: Row<{ readonly kind: 'ct_clear' }>
  readonly clone: Row<Clone>
}

export const ctRows = (lists: ActionLists): CtRows => ({
  ct: irregular<Ct>(
    'ct',
    nx(35),
    24,
    {
      read(r) {
        const at = r.offset
        const flags = r.u16()
        const commit = (flags & COMMIT) !== 0
        const force = (flags & FORCE) !== 0
        if (force && !commit) r.fail(errorCodes.badActionArgument, 'force without commit', at)
        const byField = r.view.getUint32(at + 2) !== 0
        const field = byField ? readField32(r) : null
        if (!byField) r.skip(4)
        const zone = r.u16()
        const zoneSource = field === null ? null : checkSource(subfield(field, zone), r, at)
        if (zoneSource !== null && zoneSource.bits !== 16) {
          r.fail(errorCodes.badSetLength, `zone of ${zoneSource.bits} bits`, at)
        }
        const table = r.u8()
        r.skip(3)
        const alg = r.u16()
        const actions = lists.read(r, 'ct')
        if (!commit && !actions.every(isBareNat)) {
          r.fail(errorCodes.badActionArgument, 'actions other than a plain nat need commit', at)
        }
        const tableOrNone = table === NO_TABLE ? null : table
        return {
          kind: 'ct',
          commit,
          force,
          zone: field === null ? zone : 0,
          zoneSource,
          table: tableOrNone,
          alg,
          actions,
        }
      },
      write(w, a) {
        w.u16((a.commit ? COMMIT : 0) | (a.force ? FORCE : 0))
        if (a.zoneSource === null) w.u32(0)
        else writeFieldHeader(w, a.zoneSource)
        w.u16(a.zoneSource === null ? a.zone : ofsNbits(a.zoneSource))
        w.u8(a.table ?? NO_TABLE)
        w.zeros(3)
        w.u16(a.alg)
        lists.write(w, a.actions)
      },
    },
    {
      format: (a) => formatCt(a, lists),
      words: { ct: (text, context) => [parseCt(text, context, lists)] },
    },
  ),
  ct_clear: bare('ct_clear', nx(43)),
  clone: irregular<Clone>(
    'clone',
    nx(42),
    16,
    {
      read(r) {
        r.skip(6)
        return { kind: 'clone', actions: lists.read(r, 'clone') }
      },
      write(w, a) {
        w.zeros(6)
        lists.write(w, a.actions)
      },
    },
    {
      format: (a) => `clone(${lists.format(a.actions)})`,
      words: { clone: (text, context) => [{ kind: 'clone', actions: lists.parse(text, 'clone', { ...context }) }] },
    },
  ),
})

const formatAlg = (alg: number): string => (alg === FTP ? 'ftp' : alg === TFTP ? 'tftp' : String(alg))

/** A leading nat stands outside exec(). */
function formatCt(a: Ct, lists: ActionLists): string {
  const parts: string[] = []
  if (a.commit) parts.push('commit')
  if (a.force) parts.push('force')
  if (a.table !== null) parts.push(`table=${a.table}`)
  if (a.zoneSource !== null) parts.push(`zone=${formatSubfield(a.zoneSource)}`)
  else if (a.zone !== 0) parts.push(`zone=${a.zone}`)
  const [first] = a.actions
  const nat = first?.kind === 'nat'
  if (nat) parts.push(formatNat(first))
  const others = nat ? a.actions.slice(1) : a.actions
  if (others.length > 0) parts.push(`exec(${lists.format(others)})`)
  if (a.alg !== 0) parts.push(`alg=${formatAlg(a.alg)}`)
  return `ct(${parts.join(',')})`
}

function parseCt(text: string, context: ParseContext, lists: ActionLists): Ct {
  const a = {
    commit: false,
    force: false,
    zone: 0,
    zoneSource: null as Subfield | null,
    table: null as number | null,
    alg: 0,
  }
  const actions: Action[] = []
  const inner = { ...context }
  for (const { key, value } of items(text)) {
    if (key === 'commit') a.commit = true
    else if (key === 'force') a.force = true
    else if (key === 'table') a.table = parseCtTable(value)
    else if (key === 'zone') Object.assign(a, parseZone(value))
    else if (key === 'alg') a.alg = parseAlg(value)
    else if (key === 'nat') actions.push(parseNat(value))
    else if (key === 'exec') actions.push(...lists.parse(value, 'ct', inner))
    else throw new TextError(`invalid argument to "ct" action: \`${key}'`)
  }
  if (a.force && !a.commit) throw new TextError('"force" flag requires "commit" flag.')
  return { kind: 'ct', ...a, actions }
}

function parseCtTable(text: string): number {
  const table = parseTable(text)
  if (table === NO_TABLE) throw new TextError(`invalid table 0xff`)
  return table
}

function parseZone(text: string): Pick<Ct, 'zone' | 'zoneSource'> {
  return /^[0-9]/.test(text)
    ? { zone: parseUint(text, 16, 'zone'), zoneSource: null }
    : { zone: 0, zoneSource: parseSubfield(text) }
}

function parseAlg(text: string): number {
  if (text === 'ftp') return FTP
  if (text === 'tftp') return TFTP
  throw new TextError(`invalid conntrack helper "${text}"`)
}
