// Groups: group_mod and the multipart bodies about groups. What OpenFlow 1.5 added (bucket ids, selection methods) cannot
// be said in 1.3.
import { ports } from '../fields/ports.ts'
import { actionList } from '../actions/index.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { list, oneOf, pad, struct, u16, u32, u64, u8, variant, type ValueOf } from '../wire/struct.ts'
import { ANY_GROUP, checked, checkPort, message, sized } from './frame.ts'

const groupTypes = { all: 0, select: 1, indirect: 2, ff: 3 } as const
export type GroupType = keyof typeof groupTypes

/** A bucket watches nothing if `watchPort` is ports.any and `watchGroup` is ANY_GROUP. */
const bucket = checked(
  sized(
    struct('bucket', {
      length: pad(2),
      weight: u16,
      watchPort: u32,
      watchGroup: u32,
      pad: pad(4),
      actions: actionList,
    }),
    16,
    errorCodes.badBucket,
  ),
  (value, r) => checkPort(r, value.watchPort, errorCodes.badWatch),
)
export type Bucket = ValueOf<typeof bucket>

/** add_or_modify is OVS's: no error whether or not the group exists. */
const commands = { add: 0, modify: 1, delete: 2, add_or_modify: 0x8000 } as const
export type GroupModCommand = keyof typeof commands

const type = oneOf(u8, groupTypes, errorCodes.badGroupType, 'group type')

const groupModBody = message('group_mod', 15, {
  command: oneOf(u16, commands, errorCodes.badGroupCommand, 'group_mod command'),
  type,
  pad: pad(1),
  group: u32,
  buckets: list(bucket),
})
export type GroupMod = ValueOf<typeof groupModBody>

const isLive = ({ watchPort, watchGroup }: Bucket) => watchPort !== ports.any || watchGroup !== ANY_GROUP

function checkBucket(r: Reader, groupType: GroupType, value: Bucket): void {
  if (value.weight !== 0 && groupType !== 'select') r.fail(errorCodes.invalidGroup, 'only select groups have weights')
  if (groupType === 'ff' && !isLive(value)) r.fail(errorCodes.invalidGroup, 'a fast failover bucket watches nothing')
  if ((groupType === 'all' || groupType === 'indirect') && isLive(value))
    r.fail(errorCodes.watchUnsupported, `a bucket of ${groupType} cannot watch`)
}

export const groupMod = checked(groupModBody, (value, r) => {
  if (value.command === 'delete') {
    if (value.buckets.length > 0) r.fail(errorCodes.invalidGroup, 'delete with buckets')
  } else if (value.type === 'indirect' && value.buckets.length !== 1) {
    r.fail(errorCodes.invalidGroup, 'an indirect group has one bucket')
  }
  for (const each of value.buckets) checkBucket(r, value.type, each)
})

export const groupStatsRequest = variant('group', { group: u32, pad: pad(4) })

const bucketStats = struct('bucket_stats', { packets: u64, bytes: u64 })
export const groupStats = sized(
  struct('group_stats', {
    length: pad(2),
    pad: pad(2),
    group: u32,
    references: u32,
    pad2: pad(4),
    packets: u64,
    bytes: u64,
    durationSeconds: u32,
    durationNanoseconds: u32,
    buckets: list(bucketStats),
  }),
  40,
)
export type GroupStats = ValueOf<typeof groupStats>
export const groupStatsReply = variant('group', { groups: list(groupStats) })

export const groupDesc = sized(
  struct('group_desc', { length: pad(2), type, pad: pad(1), group: u32, buckets: list(bucket) }),
  8,
)
export type GroupDesc = ValueOf<typeof groupDesc>
export const groupDescRequest = variant('group_desc', {})
export const groupDescReply = variant('group_desc', { groups: list(groupDesc) })

/** Bitmaps by group type, in the order all, select, indirect, ff: `actions` has bit n for action type n. */
const perType = {
  all: u32,
  select: u32,
  indirect: u32,
  ff: u32,
}
export const groupFeaturesRequest = variant('group_features', {})
export const groupFeaturesReply = variant('group_features', {
  types: u32,
  capabilities: u32,
  maximumGroups: struct('maximum_groups', perType),
  actions: struct('group_actions', perType),
})
