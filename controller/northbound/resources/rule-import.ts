// Rules of a group as a list without ids, for a file: export writes it, import makes the group's rules be it. A rule that
// is the same in both keeps its id, so that hosts see only what differs.
import { ApiError, badRequest } from '../errors.ts'
import { formatCsv, parseCsv } from '../csv.ts'
import type { SecurityGroup, SecurityGroupRule } from '../model.ts'
import { checkQuota } from '../quota.ts'
import { type Operation, parseBody } from '../resource.ts'
import { rulesOf } from './group-access.ts'
import { ranksOf } from './rule-ranks.ts'
import { checkedRule, inOrder, rankOf, ruleKey, securityGroupRules } from './security-group-rules.ts'

const columns = [
  'direction',
  'ethertype',
  'protocol',
  'port_range_min',
  'port_range_max',
  'remote_ip_prefix',
  'remote_group_id',
  'remote_address_group_id',
  'action',
  'priority',
  'enabled',
  'log',
  'description',
] as const satisfies readonly (keyof SecurityGroupRule)[]

type Row = Readonly<Record<string, unknown>>
type ExportedRow = Readonly<Record<(typeof columns)[number], string | number | boolean | null>>

/** In the place of a group's own id, so that the list means the same in another group. */
const self = 'self'

export function exportRules(group: SecurityGroup, rules: readonly SecurityGroupRule[]): ExportedRow[] {
  return rules.toSorted(inOrder).map((rule) => {
    const row = Object.fromEntries(columns.map((column) => [column, rule[column]])) as ExportedRow
    return rule.remote_group_id === group.id ? { ...row, remote_group_id: self } : row
  })
}

export const rowsToCsv = (rows: readonly ExportedRow[]): string =>
  formatCsv([columns, ...rows.map((row) => columns.map((column) => row[column]))])

/** An empty field is one that is not given. Spreadsheets put a byte order mark first. */
export function csvToRows(text: string): Row[] {
  const lines = parseCsv(text.replace(/^\uFEFF/, ''))
  if (!lines) throw badRequest('The request body is not CSV: a quote is out of place')
  const [header = [], ...rest] = lines
  return rest.map((line, i) => {
    if (line.length !== header.length) {
      throw importRefused([`row ${i + 1}: ${line.length} fields under ${header.length} columns`])
    }
    return Object.fromEntries(line.flatMap((value, at) => (value === '' ? [] : [[header[at] ?? '', value]])))
  })
}

const shownReasons = 20

function importRefused(reasons: readonly string[]): ApiError {
  const more = reasons.length > shownReasons ? `; and ${reasons.length - shownReasons} more` : ''
  const list = `${reasons.slice(0, shownReasons).join('; ')}${more}`
  return new ApiError(400, 'SecurityGroupRuleImportInvalid', `Nothing was imported: ${list}`)
}

/** All or nothing: every row that is wrong is named, with the field and the reason. */
export function importRules(group: SecurityGroup, operation: Operation, rows: readonly Row[]): void {
  const { tx, settings, touch } = operation
  tx.guard(`security_groups/${group.id}`)
  const rules = checkedRows(group, operation, rows)
  const present = new Map(rulesOf(tx, group.id).map((rule) => [contentKey(rule), rule]))
  const placed = rules.map((rule): Placed => {
    const key = contentKey(rule)
    const kept = present.get(key)
    present.delete(key)
    return { rule, kept }
  })
  const order = placed.filter(({ rule }) => rule.priority !== null).sort(byPriority)
  const ranks = ranksOf(order.map(({ kept }) => (kept === undefined ? null : rankOf(kept))))
  const rankAt = new Map(order.map(({ rule }, i) => [rule, ranks[i] as number]))
  const added: SecurityGroupRule[] = []
  for (const { rule, kept } of placed) {
    const [priority, rank] = [rule.priority, rankAt.get(rule) ?? null]
    if (!kept) added.push({ ...rule, rank })
    else if (kept.priority !== priority || rankOf(kept) !== rank)
      tx.put('security_group_rules', touch(kept, { ...kept, priority, rank }))
  }
  for (const { id } of present.values()) tx.delete('security_group_rules', id)
  checkQuota(tx, settings, 'security_group_rules', group.project_id, added.length)
  for (const rule of added) tx.put('security_group_rules', rule)
}

interface Placed {
  readonly rule: SecurityGroupRule
  readonly kept: SecurityGroupRule | undefined
}
const byPriority = (a: Placed, b: Placed): number => (a.rule.priority ?? 0) - (b.rule.priority ?? 0)

/** All that a rule says but its place. */
const contentKey = (rule: SecurityGroupRule): string =>
  JSON.stringify([ruleKey({ ...rule, priority: null }), rule.enabled, rule.log, rule.description])

function checkedRows(group: SecurityGroup, operation: Operation, rows: readonly Row[]): SecurityGroupRule[] {
  const reasons: string[] = []
  const rules = rows.flatMap((row, i) => {
    try {
      return [checkedRow(group, operation, row)]
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      reasons.push(`row ${i + 1}: ${error.message}`)
      return []
    }
  })
  if (reasons.length === 0) reasons.push(...repeated(rules), ...gaps(rules))
  if (reasons.length > 0) throw importRefused(reasons)
  return rules
}

function checkedRow(group: SecurityGroup, operation: Operation, row: Row): SecurityGroupRule {
  const unknown = Object.keys(row).filter((name) => !columns.some((column) => column === name))
  if (unknown.length > 0) throw badRequest(`Unrecognized attribute(s) '${unknown.join(', ')}'`)
  if (row.direction === undefined) throw badRequest("Required attribute 'direction' not specified")
  const own = row.remote_group_id === self ? { ...row, remote_group_id: group.id } : row
  const { attributes, singular } = securityGroupRules
  const parsed = parseBody(attributes, own, 'create', operation.context, singular)
  const fields = { ...parsed, security_group_id: group.id }
  return checkedRule(operation.make('security_group_rules', fields, group.project_id), operation)
}

function repeated(rules: readonly SecurityGroupRule[]): string[] {
  const first = new Map<string, number>()
  return rules.flatMap((rule, i) => {
    const before = first.get(ruleKey(rule))
    if (before === undefined) first.set(ruleKey(rule), i)
    return before === undefined ? [] : [`row ${i + 1}: the same rule as row ${before + 1}`]
  })
}

function gaps(rules: readonly SecurityGroupRule[]): string[] {
  const rows = rules.flatMap(({ priority }, i) => (priority === null ? [] : [{ priority, row: i + 1 }]))
  rows.sort((a, b) => a.priority - b.priority)
  const wrong = rows.find(({ priority }, i) => priority !== i + 1)
  if (!wrong) return []
  return [
    `row ${wrong.row}: priority: ${wrong.priority} is given twice or leaves a gap; they go from 1 to ${rows.length}`,
  ]
}
