// Groups in the ovs-ofctl language: what group_mods, descriptions and counters print, and how the arguments of add-group,
// mod-group and del-groups become the group_mod that ovs-ofctl sends on an OpenFlow 1.3 connection.
import { formatActions, parseActions } from '../actions/index.ts'
import { formatPort, MAX_10, parsePort, ports } from '../fields/ports.ts'
import { items, parseUint, TextError, type Item } from '../text/tokens.ts'
import { ALL_GROUPS, ANY_GROUP } from './frame.ts'
import type { Bucket, GroupDesc, GroupMod, GroupModCommand, GroupStats, GroupType } from './group.ts'
import type { MultipartReplyBody } from './multipart.ts'
import { formatDuration, hex } from './print-parts.ts'
import { actionsOfBitmap, formatActionNames } from './table-print.ts'

export const formatGroup = (group: number): string =>
  group === ALL_GROUPS ? 'ALL' : group === ANY_GROUP ? 'ANY' : `${group}`

/** A group number, `any` or `all`. */
export function parseGroup(text: string): number {
  const word = text.toLowerCase()
  return word === 'any' ? ANY_GROUP : word === 'all' ? ALL_GROUPS : parseUint(text, 32, 'group')
}

function formatBucket({ weight, watchPort, watchGroup, actions }: Bucket, type: GroupType): string {
  return (
    'bucket=' +
    (weight === (type === 'select' ? 1 : 0) ? '' : `weight:${weight},`) +
    (watchPort === ports.any ? '' : `watch_port:${formatPort(watchPort)},`) +
    (watchGroup === ANY_GROUP ? '' : `watch_group:${watchGroup},`) +
    `actions=${formatActions(actions)}`
  )
}

/** One line of `ovs-ofctl dump-groups`, without the leading space. */
export const formatGroupDesc = ({ group, type, buckets }: GroupDesc): string =>
  [`group_id=${group},type=${type}`, ...buckets.map((bucket) => formatBucket(bucket, type))].join(',')

const commandNames: Readonly<Record<GroupModCommand, string>> = {
  add: 'ADD',
  modify: 'MOD',
  delete: 'DEL',
  add_or_modify: 'ADD_OR_MOD',
}

export const formatGroupMod = (mod: GroupMod): string => `\n ${commandNames[mod.command]} ${formatGroupDesc(mod)}`

const NO_DURATION = 0xffffffff
const UNKNOWN_COUNT = 0xffff_ffff_ffff_ffffn

/** One line of `ovs-ofctl dump-group-stats`, without the leading space. */
export function formatGroupStats(stats: GroupStats): string {
  const { group, durationSeconds, durationNanoseconds, references, packets, bytes } = stats
  const duration =
    durationSeconds === NO_DURATION ? '' : `duration=${formatDuration(durationSeconds, durationNanoseconds)},`
  const buckets = stats.buckets.map((bucket, i) =>
    bucket.packets === UNKNOWN_COUNT ? '' : `,bucket${i}:packet_count=${bucket.packets},byte_count=${bucket.bytes}`,
  )
  const counts = `ref_count=${references},packet_count=${packets},byte_count=${bytes}`
  return `group_id=${group},${duration}${counts}${buckets.join('')}`
}

const titles = [
  ['all', 'all'],
  ['select', 'select'],
  ['indirect', 'indirect'],
  ['ff', 'fast failover'],
] as const

export function formatGroupFeatures(f: Extract<MultipartReplyBody, { kind: 'group_features' }>): string {
  const types = titles.map(([type, title], i) =>
    ((f.types >>> i) & 1) === 0
      ? ''
      : `    ${title} group:\n       max_groups=${f.maximumGroups[type] === 0 ? '0' : hex(f.maximumGroups[type])}\n` +
        `       actions: ${formatActionNames(actionsOfBitmap(f.actions[type]))}\n`,
  )
  return `\n Group table:\n    Types:  ${hex(f.types)}\n    Capabilities:  ${hex(f.capabilities)}\n${types.join('')}`
}

const NO_MORE_THAN = 0xffffff00

interface BucketWords {
  weight: number
  watchPort: number
  watchGroup: number
  readonly actions: string[]
}

function parseWatchPort(text: string): number {
  const port = parsePort(text)
  if (port >= MAX_10 && port !== ports.any && port !== ports.controller)
    throw new TextError(`${text}: invalid watch_port`)
  return port
}

function parseWatchGroup(text: string): number {
  const group = parseUint(text, 32, 'watch_group')
  if (group > NO_MORE_THAN) throw new TextError(`invalid watch_group id ${group}`)
  return group
}

function takeBucketWord(into: BucketWords, { key, value }: Item): void {
  switch (key.toLowerCase()) {
    case 'weight':
      into.weight = parseUint(value, 16, 'weight')
      break
    case 'watch_port':
      into.watchPort = parseWatchPort(value)
      break
    case 'watch_group':
      into.watchGroup = parseWatchGroup(value)
      break
    case 'bucket_id':
      throw new TextError('bucket_id needs OpenFlow 1.5')
    case 'action':
    case 'actions':
      into.actions.push(value)
      break
    default:
      // The actions after the first stand as items of their own.
      into.actions.push(`${key}(${value})`)
  }
}

function parseBucket(text: string, type: GroupType): Bucket {
  const weight = type === 'select' ? 1 : 0
  const words: BucketWords = { weight, watchPort: ports.any, watchGroup: ANY_GROUP, actions: [] }
  for (const item of items(text)) takeBucketWord(words, item)
  if (words.actions.length === 0) throw new TextError('bucket must specify actions')
  if (type === 'ff' && words.watchPort === ports.any && words.watchGroup === ANY_GROUP)
    throw new TextError('fast failover bucket requires watch_port or watch_group')
  if (type !== 'select' && words.weight !== 0) throw new TextError('Only select groups can have bucket weights.')
  const { watchPort, watchGroup } = words
  return { weight: words.weight, watchPort, watchGroup, actions: parseActions(words.actions.join(',')) }
}

const types: Readonly<Record<string, GroupType>> = {
  all: 'all',
  select: 'select',
  indirect: 'indirect',
  ff: 'ff',
  fast_failover: 'ff',
}

function parseGroupId(text: string): number {
  if (text === 'all') return ALL_GROUPS
  const group = parseUint(text, 32, 'group_id')
  if (group !== ALL_GROUPS && group > NO_MORE_THAN) throw new TextError(`invalid group id ${group}`)
  return group
}

/** The words before the first bucket. */
function parseHead(text: string, command: GroupModCommand): { readonly group: number; readonly type: GroupType } {
  let group: number | null = null
  let type: GroupType | null = null
  for (const { key, value } of items(text)) {
    if (key === 'group_id') group = parseGroupId(value)
    else if (command === 'delete') throw new TextError(`${key} is not needed`)
    else if (key === 'type') {
      type = types[value] ?? null
      if (type === null) throw new TextError(`invalid group type ${value}`)
    } else if (key === 'selection_method' || key === 'selection_method_param' || key === 'fields')
      throw new TextError(`${key} needs OpenFlow 1.5`)
    else throw new TextError(`unknown keyword ${key}`)
  }
  if (group === null) throw new TextError('must specify a group_id')
  if (type === null && command !== 'delete') throw new TextError('must specify a type')
  return { group, type: type ?? 'all' }
}

/** The group_mod (xid 0) that ovs-ofctl sends for `text`; del-groups without arguments is ''. Throws TextError. */
export function parseGroupMod(command: GroupModCommand, text: string): GroupMod {
  if (command === 'delete' && text.trim() === '')
    return { kind: 'group_mod', xid: 0, command, type: 'all', group: ALL_GROUPS, buckets: [] }
  const [head = '', ...buckets] = text.split('bucket=')
  if (command === 'delete' && buckets.length > 0) throw new TextError('bucket is not needed')
  const { group, type } = parseHead(head, command)
  if (type === 'indirect' && buckets.length > 1) throw new TextError('Indirect groups can have at most one bucket.')
  return { kind: 'group_mod', xid: 0, command, type, group, buckets: buckets.map((b) => parseBucket(b, type)) }
}
