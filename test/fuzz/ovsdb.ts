// Throws mutated and random bytes at the OVSDB client: whatever a server sends, the connection lives or ends with one
// typed fault of the peer, the replica holds only rows of the declared types, and how the bytes were split is nothing.
import {
  boolean,
  checkSchema,
  Connection,
  database,
  integer,
  map,
  oneOf,
  optional,
  OvsdbError,
  real,
  ref,
  Replica,
  scalar,
  set,
  string,
  Transaction,
  type Json,
  type OvsdbErrorCode,
  type RowChange,
} from '../../ovsdb/index.ts'

const Db = database('db', {
  T: {
    name: scalar(string),
    tag: optional(integer),
    trunks: set(integer),
    ids: map(string, string),
    up: scalar(boolean),
  },
  U: { of: optional(ref('T')), mode: optional(oneOf('a', 'b')), weight: scalar(real), queues: map(integer, ref('T')) },
})
type Tables = (typeof Db)['tables']

/** What a broken peer may lead to. Anything else, 'handler-failed' above all, is a fault of ours. */
const faults: ReadonlySet<OvsdbErrorCode> = new Set<OvsdbErrorCode>([
  'bad-json',
  'bad-utf8',
  'bad-message',
  'bad-value',
  'message-too-deep',
  'message-too-large',
  'unexpected-reply',
])
const limits = { maxBytes: 4096, maxDepth: 20 }

type Random = (below: number) => number

/** mulberry32: small, and the same everywhere, so that a seed repeats a finding. */
function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)] as T

/** Runs until the time is over; throws on the first finding, with the seed that repeats its case. */
export function fuzz(options: { seconds: number; seed: number }): { cases: number } {
  const end = performance.now() + options.seconds * 1000
  let cases = 0
  while (performance.now() < end) {
    const seed = (options.seed + cases) >>> 0
    try {
      oneCase(randomFrom(seed))
    } catch (error) {
      throw new Error(`ovsdb fuzzing: seed ${seed} fails: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    }
    cases += 1
  }
  return { cases }
}

function oneCase(random: Random): void {
  const values = Array.from({ length: 1 + random(6) }, () =>
    random(3) === 0 ? pick(random, conversation) : randomUpdate(random),
  )
  const first = { id: 0, result: [false, uuidOf(1), initial], error: null }
  const messages = random(4) === 0 ? values : [first, ...values]
  const lines = messages.map((value) => JSON.stringify(random(5) === 0 ? mutateValue(random, value as Json, 0) : value))
  const bytes = random(3) === 0 ? mutateBytes(random, Buffer.from(lines.join(''))) : Buffer.from(lines.join(''))
  const whole = converse([bytes])
  const split = converse(cut(random, bytes))
  if (whole !== split) throw new Error(`the split matters: ${whole} and ${split}`)
  pureFunctions(mutateValue(random, pick(random, conversation) as Json, 0))
}

/** Feeds a fresh connection; returns how it ended and what the replica then holds. */
function converse(chunks: readonly Buffer[]): string {
  const link = {
    peer: 'fuzz',
    localAddress: null,
    remoteAddress: null,
    queuedBytes: 0,
    write: () => {},
    pause: () => {},
    resume: () => {},
    close: () => {},
  }
  const connection = new Connection(link, 0, { limits, probeMilliseconds: 0 })
  const replica = new Replica(Db)
  const folded = new Map<string, unknown>()
  const take = (changes: readonly RowChange<Tables>[]): void => fold(folded, changes)
  connection
    .monitor('monitor_cond_since', 'db', replica.monitorParams('monitor_cond_since', 'db'), {
      onReply: (result) => take(replica.applyReply('monitor_cond_since', result)),
      onUpdate: (method, params) => take(replica.applyUpdate(method, params)),
      onCanceled: () => {},
    })
    .catch(() => {})
  connection.transact(new Transaction(Db)).catch(() => {})
  connection.lock('l').catch(() => {})
  for (const chunk of chunks) connection.receive(chunk, 0)
  const failure = connection.failure
  if (failure && !faults.has(failure.code)) throw failure
  checkRows(replica, folded)
  return JSON.stringify([failure?.code ?? null, [...folded.keys()].sort()])
}

function fold(folded: Map<string, unknown>, changes: readonly RowChange<Tables>[]): void {
  for (const { table, uuid, before, after } of changes) {
    const key = `${table} ${uuid}`
    if ((folded.get(key) ?? null) !== before) throw new Error(`the change of ${key} does not start from what was there`)
    if (after) folded.set(key, after)
    else folded.delete(key)
  }
}

const isUuid = (value: unknown): boolean =>
  typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)
const isSortedSet = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every((item, i) => Number.isInteger(item) && (i === 0 || (value[i - 1] as number) < item))
const isMap =
  (key: (k: unknown) => boolean, of: (v: unknown) => boolean) =>
  (value: unknown): boolean =>
    value instanceof Map && [...(value as Map<unknown, unknown>)].every(([k, v]) => key(k) && of(v))
const isString = (value: unknown): boolean => typeof value === 'string'
const orNull =
  (is: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === null || is(value)

const rowTypes: Record<keyof Tables, Record<string, (value: unknown) => boolean>> = {
  T: {
    _uuid: isUuid,
    name: isString,
    tag: orNull(Number.isInteger),
    trunks: isSortedSet,
    ids: isMap(isString, isString),
    up: (value) => typeof value === 'boolean',
  },
  U: {
    _uuid: isUuid,
    of: orNull(isUuid),
    mode: orNull(isString),
    weight: (value) => typeof value === 'number',
    queues: isMap(Number.isInteger, isUuid),
  },
}

/** The static types, checked at run time and by other code than the library's. */
function checkRows(replica: Replica<Tables>, folded: ReadonlyMap<string, unknown>): void {
  let count = 0
  for (const table of ['T', 'U'] as const) {
    for (const [uuid, row] of replica.table(table)) {
      count += 1
      if (folded.get(`${table} ${uuid}`) !== row) throw new Error(`${table} ${uuid} is not what its changes came to`)
      for (const [column, is] of Object.entries(rowTypes[table])) {
        const value = (row as Record<string, unknown>)[column]
        if (!is(value)) throw new Error(`${table}.${column} is ${JSON.stringify(value)}`)
      }
      if (Object.keys(row).length !== Object.keys(rowTypes[table]).length)
        throw new Error(`${table} ${uuid} has more columns`)
    }
  }
  if (count !== folded.size) throw new Error('the net changes do not fold to the contents')
}

/** The functions that read a peer's JSON outside a conversation: a value, or an OvsdbError. */
function pureFunctions(value: Json): void {
  checkSchema(Db, value)
  const tx = new Transaction(Db)
  tx.insert('T', {})
  tx.select('T', [])
  for (const reply of [value, [value], [value, value], [{ uuid: ['uuid', uuidOf(1)] }, value]] as Json[]) {
    try {
      tx.outcome(reply)
    } catch (error) {
      if (!(error instanceof OvsdbError)) throw error
    }
  }
}

const uuidOf = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const rowT = { name: 'é"\\', tag: 5, trunks: ['set', [1, 2]], ids: ['map', [['a', 'b']]], up: true }
const rowU = { of: ['uuid', uuidOf(1)], mode: 'a', weight: 1.5, queues: ['map', [[1, ['uuid', uuidOf(1)]]]] }
const initial = { T: { [uuidOf(1)]: { initial: rowT } }, U: { [uuidOf(2)]: { initial: rowU } } }

/** What a sound server may say after the first reply, in any order. */
const conversation: readonly unknown[] = [
  { id: 0, result: [true, uuidOf(9), initial], error: null },
  { id: 1, result: [], error: null },
  { id: 2, result: { locked: true }, error: null },
  { id: 1, result: null, error: { error: 'canceled' } },
  { id: 'e', method: 'echo', params: ['x'] },
  { id: null, method: 'locked', params: ['l'] },
  { id: null, method: 'monitor_canceled', params: ['other'] },
  { id: null, method: 'update', params: ['db', { T: { [uuidOf(3)]: { new: rowT }, [uuidOf(1)]: { old: rowT } } }] },
  {
    id: null,
    method: 'update2',
    params: [
      'db',
      { U: { [uuidOf(2)]: { modify: { mode: ['set', []], queues: ['map', [[2, ['uuid', uuidOf(3)]]]] } } } },
    ],
  },
  {
    id: null,
    method: 'update3',
    params: ['db', uuidOf(8), { T: { [uuidOf(1)]: { modify: { trunks: ['set', [2, 3]] } } } }],
  },
  {
    id: null,
    method: 'update3',
    params: ['db', uuidOf(8), { T: { [uuidOf(4)]: { insert: {} }, [uuidOf(1)]: { delete: null } } }],
  },
  {
    name: 'db',
    tables: {
      T: {
        columns: {
          name: { type: 'string' },
          ids: { type: { key: 'string', value: 'string', min: 0, max: 'unlimited' } },
        },
      },
    },
  },
  [
    { uuid: ['uuid', uuidOf(1)] },
    { rows: [{ _uuid: ['uuid', uuidOf(1)], name: 'x' }] },
    { count: 1 },
    { error: 'timed out', details: 'd' },
  ],
]

const integers: readonly Json[] = [
  0,
  7,
  ['set', []],
  ['set', [3]],
  ['set', [1, 2]],
  ['set', [2, 10, 9, 2]],
  ['set', [9, 1]],
]
const tags: readonly Json[] = [0, 7, ['set', []], ['set', [3]]]
const refs: readonly Json[] = [
  ['uuid', uuidOf(1)],
  ['set', []],
  ['set', [['uuid', uuidOf(3)]]],
]
const texts: readonly Json[] = ['', 'a', 'é😀', '__proto__']

/** What a sound server may send for each column, in every spelling that RFC 7047 §5.1 allows. */
const columns: { readonly [N in keyof Tables]: Readonly<Record<string, readonly Json[]>> } = {
  T: {
    name: texts,
    tag: tags,
    trunks: integers,
    ids: [
      ['map', []],
      [
        'map',
        [
          ['__proto__', 'a'],
          ['b', ''],
        ],
      ],
      ['map', [['b', 'c']]],
    ],
    up: [true, false],
  },
  U: {
    of: refs,
    mode: ['a', 'c', ['set', []]],
    weight: [0, 1.5, 1e300],
    queues: [
      ['map', []],
      ['map', [[1, ['uuid', uuidOf(2)]]]],
    ],
  },
}

/** An update of one row of the few that there are; one value in thirty is nonsense. */
function randomUpdate(random: Random): unknown {
  const table = pick(random, ['T', 'U'] as const)
  const chosen = Object.entries(columns[table]).filter(() => random(2) === 0)
  const row = Object.fromEntries(chosen.map(([name, list]) => [name, pick(random, random(30) === 0 ? junk : list)]))
  const kind = pick(random, ['insert', 'modify', 'modify', 'delete'] as const)
  const uuid = uuidOf(1 + random(3))
  return {
    id: null,
    method: 'update3',
    params: ['db', uuidOf(9), { [table]: { [uuid]: { [kind]: kind === 'delete' ? null : row } } }],
  }
}

const names = ['', 'T', 'name', 'set', '__proto__', 'constructor', uuidOf(1), 'insert', 'delete'] as const
const junk: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  '',
  'x',
  '__proto__',
  'constructor',
  uuidOf(1),
  'set',
  'map',
  'uuid',
  [],
  {},
  [[]],
  ['set', []],
  ['set', [1, 1]],
  ['map', []],
  ['uuid', 'x'],
  ['uuid', uuidOf(5)],
  ['named-uuid', 'row'],
  ['map', [[1, 2, 3]]],
  JSON.parse('{"__proto__":{"T":1}}') as Json,
]

/** The value with one of its parts, at any depth, replaced, removed, renamed or repeated. */
function mutateValue(random: Random, value: Json, depth: number): Json {
  if (typeof value !== 'object' || value === null || random(6) === 0 || depth > 8) return pick(random, junk)
  if (Array.isArray(value)) {
    const list = [...(value as Json[])]
    const at = random(list.length + 1)
    if (at === list.length) return [...list, pick(random, junk)]
    if (random(8) === 0) list.splice(at, 1)
    else list[at] = mutateValue(random, list[at] as Json, depth + 1)
    return list
  }
  const entries = Object.entries(value as Record<string, Json>)
  if (entries.length === 0) return { [pick(random, names)]: pick(random, junk) }
  const at = random(entries.length)
  const [name, part] = entries[at] as [string, Json]
  const action = random(10)
  if (action === 0) entries.splice(at, 1)
  else if (action === 1) entries[at] = [pick(random, names), part]
  else entries[at] = [name, mutateValue(random, part, depth + 1)]
  return Object.fromEntries(entries)
}

/** Some bytes changed, inserted, removed or repeated; or all of them random. */
function mutateBytes(random: Random, bytes: Buffer): Buffer {
  if (random(10) === 0) return Buffer.from(Array.from({ length: random(200) }, () => random(256)))
  const list = [...bytes]
  for (let n = 1 + random(4); n > 0; n--) {
    const at = random(list.length + 1)
    const action = random(4)
    if (action === 0) list[Math.min(at, list.length - 1)] = random(256)
    else if (action === 1) list.splice(at, 0, pick(random, ['{', '}', '[', ']', '"', '\\', ',', ' ']).charCodeAt(0))
    else if (action === 2) list.splice(at, 1 + random(20))
    else list.splice(at, 0, ...list.slice(at, at + random(300)))
  }
  return Buffer.from(list)
}

function cut(random: Random, bytes: Buffer): Buffer[] {
  const places = Array.from({ length: random(8) }, () => random(bytes.length + 1)).sort((a, b) => a - b)
  const edges = [0, ...places, bytes.length]
  return edges.slice(1).map((end, i) => bytes.subarray(edges[i], end))
}
