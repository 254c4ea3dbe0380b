// How ovs-ofctl prints tables: the counters of each, and their features, where it says `ditto` of tables that have the
// same as the one before and shortens lists of fields (eth_{src,dst}, reg0...reg15).
import { fieldByHeader, fields, type Field } from '../fields/table.ts'
import { hexOrZero } from './print-parts.ts'
import type { FieldId, TableFeatures, TableProperty, TableStats, TypeId } from './table.ts'

// The bitmaps of OVS as sets, of which only the members that OVS knows are kept.
interface ActionFeatures {
  readonly actions: ReadonlySet<number>
  readonly setFields: ReadonlySet<string>
}
interface InstructionFeatures {
  readonly next: ReadonlySet<number>
  readonly instructions: ReadonlySet<number>
  readonly write: ActionFeatures
  readonly apply: ActionFeatures
}
interface Features {
  readonly table: number
  readonly name: string
  readonly metadataMatch: bigint
  readonly metadataWrite: bigint
  readonly maximumEntries: number
  readonly nonmiss: InstructionFeatures
  readonly miss: InstructionFeatures
  readonly match: ReadonlySet<string>
  readonly mask: ReadonlySet<string>
  readonly wildcard: ReadonlySet<string>
}

/** Action types of OpenFlow 1.3 that OVS has, in the order of its own numbers. */
const actionNames: readonly (readonly [number, string])[] = [
  [0, 'output'],
  [22, 'group'],
  [25, 'set_field'],
  [18, 'strip_vlan'],
  [17, 'push_vlan'],
  [23, 'mod_nw_ttl'],
  [24, 'dec_ttl'],
  [15, 'set_mpls_ttl'],
  [16, 'dec_mpls_ttl'],
  [19, 'push_mpls'],
  [20, 'pop_mpls'],
  [21, 'set_queue'],
]

/** The same of instructions, which run in this order. */
const instructionNames: readonly (readonly [number, string])[] = [
  [6, 'meter'],
  [4, 'apply_actions'],
  [5, 'clear_actions'],
  [3, 'write_actions'],
  [2, 'write_metadata'],
  [1, 'goto_table'],
]

const known = (rows: readonly (readonly [number, string])[], types: readonly TypeId[] | undefined): Set<number> =>
  new Set(rows.flatMap(([type]) => (types?.some((id) => id.type === type) ? [type] : [])))

export const formatActionNames = (types: ReadonlySet<number>): string =>
  actionNames.flatMap(([type, name]) => (types.has(type) ? [name] : [])).join(' ') || '<none>'

/** The action types whose bits are set in a bitmap. */
export const actionsOfBitmap = (bitmap: number): ReadonlySet<number> =>
  new Set(actionNames.flatMap(([type]) => (((bitmap >>> type) & 1) === 0 ? [] : [type])))

const HAS_MASK = 0x100

/** A header whose length is not that of the field is another field's, which OVS does not know. */
function hasLength({ bytes, variable }: Field, header: number, experimenter: number | null): boolean {
  const length = (header & 0xff) - (experimenter === null ? 0 : 4)
  const width = (header & HAS_MASK) === 0 ? length : length / 2
  return variable ? width <= bytes : width === bytes
}

const fieldNames = (ids: readonly FieldId[] | undefined, masked?: boolean): Set<string> =>
  new Set(
    (ids ?? []).flatMap(({ header, experimenter }) => {
      const field = fieldByHeader(header, experimenter ?? 0)
      if (field === undefined || !hasLength(field, header, experimenter)) return []
      if (masked !== undefined && ((header & HAS_MASK) !== 0) !== masked) return []
      return [field.name]
    }),
  )

const equalSets = <T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean =>
  a.size === b.size && [...a].every((item) => b.has(item))

function instructionFeatures(properties: readonly TableProperty[], miss: boolean): InstructionFeatures {
  type Kind = Exclude<TableProperty['kind'], 'unknown' | 'match' | 'wildcards' | `${string}_miss`>
  // Without a property of its own, the table-miss flow has what the others have.
  const find = <K extends Kind>(kind: K): Extract<TableProperty, { kind: K }> | undefined =>
    ((miss ? properties.find((p) => p.kind === `${kind}_miss`) : undefined) ??
      properties.find((p) => p.kind === kind)) as Extract<TableProperty, { kind: K }> | undefined
  return {
    next: new Set(find('next_tables')?.tables),
    instructions: known(instructionNames, find('instructions')?.types),
    write: {
      actions: known(actionNames, find('write_actions')?.types),
      setFields: fieldNames(find('write_setfield')?.fields),
    },
    apply: {
      actions: known(actionNames, find('apply_actions')?.types),
      setFields: fieldNames(find('apply_setfield')?.fields),
    },
  }
}

function fromWire(f: TableFeatures): Features {
  const find = (kind: 'match' | 'wildcards') =>
    f.properties.find((p): p is Extract<TableProperty, { kind: 'match' }> => p.kind === kind)?.fields
  const mask = fieldNames(find('match'), true)
  const match = new Set([...fieldNames(find('match')), ...mask])
  const wildcard = new Set([...fieldNames(find('wildcards')), ...mask].filter((name) => match.has(name)))
  const { table, name, metadataMatch, metadataWrite, maximumEntries } = f
  const nonmiss = instructionFeatures(f.properties, false)
  const miss = instructionFeatures(f.properties, true)
  return { table, name, metadataMatch, metadataWrite, maximumEntries, nonmiss, miss, match, mask, wildcard }
}

const equalActions = (a: ActionFeatures, b: ActionFeatures) =>
  equalSets(a.actions, b.actions) && equalSets(a.setFields, b.setFields)

/** Neighbours may differ in that the first goes on to the second and the second cannot. */
function equalNext(a: ReadonlySet<number>, aTable: number, b: ReadonlySet<number>, bTable: number): boolean {
  if (bTable === aTable + 1 && a.has(bTable) && !b.has(bTable)) return equalSets(a, new Set([...b, bTable]))
  if (aTable === bTable + 1 && b.has(aTable) && !a.has(aTable)) return equalSets(b, new Set([...a, aTable]))
  return equalSets(a, b)
}

const equalInstructions = (a: InstructionFeatures, aTable: number, b: InstructionFeatures, bTable: number) =>
  equalNext(a.next, aTable, b.next, bTable) &&
  equalSets(a.instructions, b.instructions) &&
  equalActions(a.write, b.write) &&
  equalActions(a.apply, b.apply)

const equalFeatures = (a: Features, b: Features): boolean =>
  a.metadataMatch === b.metadataMatch &&
  a.metadataWrite === b.metadataWrite &&
  a.maximumEntries === b.maximumEntries &&
  equalInstructions(a.nonmiss, a.table, b.nonmiss, b.table) &&
  equalInstructions(a.miss, a.table, b.miss, b.table) &&
  equalSets(a.match, b.match)

const hasActions = (f: ActionFeatures) => f.actions.size > 0 || f.setFields.size > 0
const isEmpty = (f: InstructionFeatures): boolean =>
  f.next.size === 0 && f.instructions.size === 0 && !hasActions(f.write) && !hasActions(f.apply)

function formatActionFeatures({ actions, setFields }: ActionFeatures): string {
  const names = actions.size === 0 ? '' : `        actions: ${formatActionNames(actions)}\n`
  return names + (setFields.size === 0 ? '' : `        supported on Set-Field: ${formatFields(setFields)}\n`)
}

function formatNextTables(next: ReadonlySet<number>): string {
  const ranges: string[] = []
  for (let table = 0; table < 255; table += 1) {
    if (!next.has(table)) continue
    const start = table
    while (next.has(table + 1)) table += 1
    ranges.push(start === table ? `${start}` : `${start}-${table}`)
  }
  return ranges.join(',')
}

function formatInstructionFeatures(f: InstructionFeatures, previous: InstructionFeatures | null): string {
  let out = ''
  if (f.next.size > 0) out += `      next tables: ${formatNextTables(f.next)}\n`
  if (f.instructions.size > 0) {
    const names = instructionNames.flatMap(([type, name]) => (f.instructions.has(type) ? [name] : [])).join(' ')
    const isSame = previous !== null && equalSets(f.instructions, previous.instructions)
    out += isSame ? '      (same instructions)\n' : `      instructions: ${names}\n`
  }
  const isSame = previous !== null && equalActions(f.write, previous.write) && equalActions(f.apply, previous.apply)
  if (isSame && f.write.setFields.size > 0) return `${out}      (same actions)\n`
  if (!equalActions(f.write, f.apply)) {
    out += `      Write-Actions features:\n${formatActionFeatures(f.write)}`
    return `${out}      Apply-Actions features:\n${formatActionFeatures(f.apply)}`
  }
  if (!hasActions(f.write)) return out
  return `${out}      Write-Actions and Apply-Actions features:\n${formatActionFeatures(f.write)}`
}

function formatInstructions(f: Features, previous: Features | null): string {
  const { nonmiss, miss, table } = f
  if (
    previous !== null &&
    equalInstructions(nonmiss, table, previous.nonmiss, previous.table) &&
    equalInstructions(miss, table, previous.miss, previous.table)
  )
    return isEmpty(nonmiss) ? '' : '    (same instructions)\n'
  const others = formatInstructionFeatures(nonmiss, previous?.nonmiss ?? null)
  if (equalInstructions(nonmiss, table, miss, table))
    return isEmpty(nonmiss) ? '' : `    instructions (table miss and others):\n${others}`
  const onMiss = formatInstructionFeatures(miss, previous?.miss ?? null)
  return `    instructions (other than table miss):\n${others}    instructions (table miss):\n${onMiss}`
}

function formatMatching(f: Features, previous: Features | null): string {
  if (f.match.size === 0) return ''
  if (previous !== null && equalSets(f.match, previous.match)) return '    (same matching)\n'
  const line = (title: string, masked: boolean, wild: boolean) => {
    const names = [...f.match].filter((name) => f.mask.has(name) === masked && f.wildcard.has(name) === wild)
    return names.length === 0 ? '' : `      ${title}: ${formatFields(new Set(names))}\n`
  }
  return (
    '    matching:\n' +
    line('arbitrary mask', true, true) +
    line('exact match or wildcard', false, true) +
    line('must exact match', false, false)
  )
}

const order = new Map<string, number>(fields.map(({ name }, index) => [name, index]))

function formatFields(names: ReadonlySet<string>): string {
  return shorten(
    [...names].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0)),
    0,
  )
}

/** Whether `b` is `a` with its number at the end one higher. */
function areSequential(a: string, b: string): boolean {
  const [, aStem, aNumber] = /^(.*?)(\d+)$/.exec(a) ?? []
  const [, bStem, bNumber] = /^(.*?)(\d+)$/.exec(b) ?? []
  return aStem !== undefined && aStem === bStem && Number(aNumber) + 1 === Number(bNumber)
}

function suffixRun(names: readonly string[]): number {
  let run = 1
  while (run < names.length && areSequential(names[run - 1] as string, names[run] as string)) run += 1
  return run === 2 ? 1 : run
}

/** How much of the start `a` and `b` have in common, up to the last underscore. */
function commonPrefix(a: string, b: string): number {
  let common = 0
  for (let i = 0; i < a.length && a[i] === b[i]; i += 1) if (a[i] === '_') common = i + 1
  return common
}

function prefixRun(names: readonly string[], skip: number): { readonly run: number; readonly prefix: number } {
  const first = (names[0] as string).slice(skip)
  const prefix = names.length < 2 ? 0 : commonPrefix(first, (names[1] as string).slice(skip))
  if (prefix === 0) return { run: 1, prefix: 0 }
  let run = 2
  while (run < names.length && commonPrefix(first, (names[run] as string).slice(skip)) > 0) run += 1
  return { run, prefix }
}

/** Names that start alike become `eth_{src,dst}`, numbered ones `reg0...reg15`. All start alike for `skip` characters. */
function shorten(names: readonly string[], skip: number): string {
  const parts: string[] = []
  for (let i = 0; i < names.length;) {
    const rest = names.slice(i)
    const first = (rest[0] as string).slice(skip)
    const suffix = suffixRun(rest)
    const { run, prefix } = prefixRun(rest, skip)
    if (suffix >= run) parts.push(suffix > 1 ? `${first}...${(rest[suffix - 1] as string).slice(skip)}` : first)
    else parts.push(`${first.slice(0, prefix)}{${shorten(rest.slice(0, run), skip + prefix)}}`)
    i += Math.max(suffix, run)
  }
  return parts.join(skip > 0 ? ',' : ' ')
}

const formatDitto = (first: number, last: number): string =>
  first === last ? `\n  table ${first}: ditto\n` : `\n  tables ${first}...${last}: ditto\n`

/** Prints rows one after the other; rows that are the same as the one before, and have no name, become one line. */
function withDitto<R extends { readonly table: number; readonly name: string }>(
  rows: readonly R[],
  isSame: (row: R, previous: R) => boolean,
  formatRow: (row: R, previous: R | null) => string,
): string {
  let out = ''
  let first: number | null = null
  let previous: R | null = null
  for (const row of rows) {
    const same = previous !== null && isSame(row, previous)
    if (same && row.name === '') first ??= row.table
    else {
      if (first !== null) out += formatDitto(first, (previous as R).table)
      first = null
      out += `\n  table ${row.table}${row.name === '' ? '' : ` ("${row.name}")`}:`
      out += same ? ' ditto' : `\n${formatRow(row, previous)}`
    }
    previous = row
  }
  return first === null ? out : out + formatDitto(first, (previous as unknown as R).table)
}

export function formatTableFeatures(tables: readonly TableFeatures[]): string {
  return withDitto(tables.map(fromWire), equalFeatures, (f, previous) => {
    const { metadataMatch, metadataWrite, maximumEntries } = f
    const metadata =
      metadataMatch === 0n && metadataWrite === 0n
        ? ''
        : `    metadata: match=${hexOrZero(metadataMatch)} write=${hexOrZero(metadataWrite)}\n`
    const entries = maximumEntries === 0 ? '' : `    max_entries=${maximumEntries}\n`
    return metadata + entries + formatInstructions(f, previous) + formatMatching(f, previous)
  })
}

const sameStats = (a: TableStats, b: TableStats) =>
  a.active === b.active && a.lookups === b.lookups && a.matched === b.matched

export const formatTableStats = (tables: readonly TableStats[]): string =>
  withDitto(
    tables.map((stats) => ({ ...stats, name: '' })),
    sameStats,
    ({ active, lookups, matched }) => `    active=${active}, lookup=${lookups}, matched=${matched}\n`,
  )
