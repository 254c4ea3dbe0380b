// The engine's law: after any edits, every output equals what a plain recursive evaluation of the same functions over
// the same rows gives. Programs, edits, slicing and stray reads are random; a counterexample is shrunk.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Engine, type Query, QueryError } from './index.ts'

const keyCount = 5
const queryCount = 4

type Expr =
  | { kind: 'const'; value: number }
  | { kind: 'key' }
  | { kind: 'row'; key: Expr }
  | { kind: 'members'; group: Expr }
  | { kind: 'kin'; group: Expr }
  | { kind: 'families'; parity: Expr }
  | { kind: 'count' }
  | { kind: 'query'; query: number; key: Expr }
  | { kind: 'add'; left: Expr; right: Expr }
  | { kind: 'if'; test: Expr; yes: Expr; no: Expr }
  | { kind: 'throwIf'; test: Expr; rest: Expr }
  | { kind: 'less'; value: Expr }

interface Reads {
  row(key: number): number
  members(group: number): readonly number[]
  /** Keys by what `derive` gives for them. */
  kin(group: number): readonly number[]
  /** What `derive` gives for any, by parity. */
  families(parity: number): readonly number[]
  keys(): readonly number[]
  query(query: number, key: number): number
}

const modulo = (value: number): number => value % keyCount
const fold = (keys: readonly number[]): number => keys.reduce((sum, key) => (sum * 3 + key + 1) % 1009, 0)

/** The derived table: total, so that it never keeps a value of the past. */
function derive(key: number, reads: Pick<Reads, 'row' | 'members'>): number | undefined {
  const value = (reads.row(key) + reads.members(modulo(reads.row(key))).length) % (keyCount + 1)
  return value === keyCount ? undefined : value
}

function evaluate(expr: Expr, key: number, reads: Reads): number {
  const go = (inner: Expr): number => evaluate(inner, key, reads)
  switch (expr.kind) {
    case 'const':
      return expr.value
    case 'key':
      return key
    case 'row':
      return reads.row(modulo(go(expr.key)))
    case 'members':
      return fold(reads.members(modulo(go(expr.group))))
    case 'kin':
      return fold(reads.kin(modulo(go(expr.group))))
    case 'families':
      return fold(reads.families(go(expr.parity) % 2))
    case 'count':
      return reads.keys().length
    case 'query':
      return reads.query(expr.query, modulo(go(expr.key)))
    case 'add':
      return (go(expr.left) + go(expr.right)) % 97
    case 'if':
      return go(expr.test) % 2 === 1 ? go(expr.yes) : go(expr.no)
    case 'throwIf':
      if (go(expr.test) % 4 === 3) throw new Error('asked to')
      return go(expr.rest)
    case 'less':
      return Math.floor(go(expr.value) / 2)
    default:
      return expr satisfies never
  }
}

const { expr } = fc.letrec<{ expr: Expr }>((tie) => ({
  expr: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'expr' },
    fc.record({ kind: fc.constant('const' as const), value: fc.nat(5) }),
    fc.record({ kind: fc.constant('key' as const) }),
    fc.record({ kind: fc.constant('row' as const), key: tie('expr') }),
    fc.record({ kind: fc.constant('members' as const), group: tie('expr') }),
    fc.record({ kind: fc.constant('kin' as const), group: tie('expr') }),
    fc.record({ kind: fc.constant('families' as const), parity: tie('expr') }),
    fc.record({ kind: fc.constant('count' as const) }),
    fc.record({ kind: fc.constant('query' as const), query: fc.nat(queryCount - 1), key: tie('expr') }),
    fc.record({ kind: fc.constant('add' as const), left: tie('expr'), right: tie('expr') }),
    fc.record({ kind: fc.constant('if' as const), test: tie('expr'), yes: tie('expr'), no: tie('expr') }),
    fc.record({ kind: fc.constant('throwIf' as const), test: tie('expr'), rest: tie('expr') }),
    fc.record({ kind: fc.constant('less' as const), value: tie('expr') }),
  ),
}))

const edit = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('set' as const), key: fc.nat(keyCount - 1), row: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), key: fc.nat(keyCount - 1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('slice' as const), keys: fc.nat(4) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      query: fc.nat(queryCount - 1),
      key: fc.nat(keyCount - 1),
    }),
  },
)

/** A program runs on the engine and on a plain evaluator; both see the same functions. */
function build(program: readonly Expr[]) {
  const engine = new Engine()
  const rows = engine.table<number, { value: number }>('row')
  const groups = engine.grouping('members', rows, ({ value }) => [modulo(value), value % 2])
  const plain = {
    row: (key: number) => rows.get(key)?.value ?? 0,
    members: (group: number) => groups.get(group),
  }
  const table = engine.derivedTable('derived', rows, (key: number) => derive(key, plain))
  const kin = engine.grouping('kin', table, (value) => [value])
  const families = engine.grouping('families', kin, (_, value) => [value % 2])
  const reads: Reads = {
    ...plain,
    kin: (group) => kin.get(group),
    families: (parity) => families.get(parity),
    keys: () => rows.keys(),
    query: (query, key) => queries[query]?.get(key) ?? 0,
  }
  const queries: Query<number, number>[] = []
  for (const [index, body] of program.entries()) {
    const run = (key: number): number => evaluate(body, key, reads)
    if (index === 0) queries.push(engine.output('q0', rows, run))
    else if (index === 1) queries.push(engine.output('q1', groups, run))
    else queries.push(engine.query(`q${index}`, run))
  }
  const derived = engine.derivedKeys('odd', () => rows.keys().filter((key) => reads.row(key) % 2 === 1))
  const last = engine.output('last', derived, (key) => reads.query(2, key) + reads.query(3, key))
  return { engine, rows, queries, last }
}

class Failed extends Error {}

/** Null where it fails. */
function attempt(run: () => number): number | null {
  try {
    return run()
  } catch (error) {
    if (error instanceof Failed || error instanceof QueryError) return null
    throw error
  }
}

/** Without memory of the past; throws `Failed` where a function throws or functions read each other in a circle. */
function plainReads(program: readonly Expr[], rows: ReadonlyMap<number, number>): Reads {
  const path: string[] = []
  const memo = new Map<string, number | Failed>()
  const run = (query: number, key: number): number => {
    const name = `${query} ${key}`
    if (path.includes(name)) throw new Failed()
    const known = memo.get(name)
    if (known instanceof Failed) throw known
    if (known !== undefined) return known
    path.push(name)
    try {
      const value = evaluate(program[query] as Expr, key, reads)
      memo.set(name, value)
      return value
    } catch (error) {
      const failed = error instanceof Failed ? error : new Failed()
      memo.set(name, failed)
      throw failed
    } finally {
      path.pop()
    }
  }
  const reads: Reads = {
    row: (key) => rows.get(key) ?? 0,
    keys: () => [...rows.keys()].sort((a, b) => a - b),
    members: (group) => reads.keys().filter((key) => [modulo(reads.row(key)), reads.row(key) % 2].includes(group)),
    kin: (group) => reads.keys().filter((key) => derive(key, reads) === group),
    families: (parity) =>
      Array.from({ length: keyCount }, (_, value) => value).filter(
        (value) => value % 2 === parity && reads.kin(value).length > 0,
      ),
    query: run,
  }
  return reads
}

function expected(program: readonly Expr[], rows: ReadonlyMap<number, number>): Map<string, number | Failed> {
  const reads = plainReads(program, rows)
  const results = new Map<string, number | Failed>()
  const note = (name: string, run: () => number): void => {
    try {
      results.set(name, run())
    } catch (error) {
      results.set(name, error as Failed)
    }
  }
  const groups = new Set([...rows.values()].flatMap((value) => [modulo(value), value % 2]))
  for (const key of rows.keys()) note(`q0 ${key}`, () => reads.query(0, key))
  for (const group of groups) note(`q1 ${group}`, () => reads.query(1, group))
  for (const [key, value] of rows) {
    if (value % 2 === 1) note(`last ${key}`, () => reads.query(2, key) + reads.query(3, key))
  }
  return results
}

function law(program: readonly Expr[], edits: readonly (typeof edit extends fc.Arbitrary<infer E> ? E : never)[]) {
  const { engine, rows, queries, last } = build(program)
  const staged = new Map<number, number>()
  let applied = new Map<number, number>()
  let slicing = false
  const mirror = new Map<string, unknown>()
  const begin = (): void => {
    if (!slicing) applied = new Map(staged)
    slicing = true
  }
  const finish = (changes: ReturnType<Engine['commit']>): void => {
    slicing = false
    for (const { name, key, before, after } of changes) {
      expect(mirror.get(`${name} ${key}`)).toEqual(before)
      if (after === undefined) mirror.delete(`${name} ${key}`)
      else mirror.set(`${name} ${key}`, after)
    }
    const results = expected(program, applied)
    const failed = [...results.values()].some((value) => value instanceof Failed)
    expect(engine.problems().length > 0).toBe(failed)
    for (const [name, value] of results)
      if (!(value instanceof Failed)) expect([name, mirror.get(name)]).toEqual([name, value])
    for (const name of mirror.keys()) expect(results.has(name)).toBe(true)
  }
  for (const step of [...edits, { kind: 'commit' as const }, { kind: 'commit' as const }]) {
    if (step.kind === 'set') {
      staged.set(step.key, step.row)
      rows.set(step.key, { value: step.row })
    } else if (step.kind === 'delete') {
      staged.delete(step.key)
      rows.delete(step.key)
    } else if (step.kind === 'read') {
      const found = attempt(() => queries[step.query]?.get(step.key) as number)
      const value = attempt(() => plainReads(program, applied).query(step.query, step.key))
      // In the middle of a commit rows are being applied.
      if (!slicing && value !== null) expect(found).toBe(value)
    } else {
      begin()
      let budget = step.kind === 'commit' ? Infinity : step.keys
      const changes = engine.commitSlice(() => budget-- <= 0)
      if (changes !== undefined) finish(changes)
    }
    for (const [key] of applied) expect(last.committed(key)).toEqual(mirror.get(`last ${key}`))
  }
}

const programs = fc.array(expr, { minLength: queryCount, maxLength: queryCount })

test('after any edits, however sliced, the outputs equal a computation from scratch', () => {
  fc.assert(fc.property(programs, fc.array(edit, { maxLength: 40 }), law), {
    numRuns: 500,
  })
})
