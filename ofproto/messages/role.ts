// Roles of controllers, and which asynchronous messages each role receives.
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { list, oneOf, pad, u32, u64, u8 } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import { checked, extension, message, NICIRA, ONF } from './frame.ts'
import { property, type UnknownProperty } from './property.ts'

const roles = { nochange: 0, equal: 1, primary: 2, secondary: 3 } as const
export type Role = keyof typeof roles
const role = oneOf(u32, roles, errorCodes.badRole, 'role')

export const roleRequest = message('role_request', 24, { role, pad: pad(4), generation: u64 })
export const roleReply = message('role_reply', 25, { role, pad: pad(4), generation: u64 })

/** The roles of NXT_ROLE_REQUEST, numbered otherwise than OpenFlow's own; `equal` is its NX_ROLE_OTHER. */
const nxRole = oneOf(u32, { equal: 0, primary: 1, secondary: 2 }, errorCodes.badRole, 'Nicira role')
export const nxRoleRequest = extension('nx_role_request', NICIRA, 10, { role: nxRole })
export const nxRoleReply = extension('nx_role_reply', NICIRA, 11, { role: nxRole })

export const roleStatusReason = { primaryRequest: 0, configuration: 1, experimenter: 2 } as const
export const roleStatus = extension('role_status', ONF, 1911, {
  role,
  reason: u8,
  pad: pad(3),
  generation: u64,
  properties: list(property<UnknownProperty>({})),
})

/** Bit n stands for reason n. `primary` is what the roles equal and primary receive, `secondary` what the third does. */
const asyncMasks = {
  packetInPrimary: u32,
  packetInSecondary: u32,
  portStatusPrimary: u32,
  portStatusSecondary: u32,
  flowRemovedPrimary: u32,
  flowRemovedSecondary: u32,
}
export const getAsyncRequest = message('get_async_request', 26, {})
export const getAsyncReply = message('get_async_reply', 27, asyncMasks)
export const setAsync = message('set_async', 28, asyncMasks)
export const nxSetAsyncConfig = extension('nx_set_async_config', NICIRA, 19, asyncMasks)

const asyncProperties = {
  packet_in_secondary: 0,
  packet_in_primary: 1,
  port_status_secondary: 2,
  port_status_primary: 3,
  flow_removed_secondary: 4,
  flow_removed_primary: 5,
  role_status_secondary: 6,
  role_status_primary: 7,
  table_status_secondary: 8,
  table_status_primary: 9,
  requestforward_secondary: 10,
  requestforward_primary: 11,
} as const
export type AsyncProperty =
  | { [K in keyof typeof asyncProperties]: { readonly kind: K; readonly mask: number } }[keyof typeof asyncProperties]
  | UnknownProperty

function asyncProperty<K extends Exclude<AsyncProperty['kind'], 'unknown'>>(kind: K) {
  return {
    type: asyncProperties[kind],
    size: 4,
    read: (r: Reader) => ({ kind, mask: r.u32() }),
    write: (w: Writer, { mask }: { readonly mask: number }) => w.u32(mask),
  }
}

/** The reasons that each kind of message can have. */
const allowedMasks = [0x7, 0x7, 0x3f, 0x7, 0x18, 0x3]
const FIRST_EXPERIMENTER = 0xfffe

function checkAsync(r: Reader, properties: readonly AsyncProperty[]): void {
  for (const p of properties) {
    if (p.kind === 'unknown') return r.fail(errorCodes.unsupportedAsync, `property ${p.type}`)
    const allowed = allowedMasks[asyncProperties[p.kind] >> 1] as number
    if ((p.mask & ~allowed) !== 0) r.fail(errorCodes.badAsync, `${p.kind} ${p.mask}`)
  }
}

/** Changes only what it names, and reaches messages that OpenFlow 1.3 has no mask for. */
export const nxSetAsyncConfig2 = checked(
  extension('nx_set_async_config2', NICIRA, 27, {
    properties: list(
      property<AsyncProperty>(
        {
          packet_in_secondary: asyncProperty('packet_in_secondary'),
          packet_in_primary: asyncProperty('packet_in_primary'),
          port_status_secondary: asyncProperty('port_status_secondary'),
          port_status_primary: asyncProperty('port_status_primary'),
          flow_removed_secondary: asyncProperty('flow_removed_secondary'),
          flow_removed_primary: asyncProperty('flow_removed_primary'),
          role_status_secondary: asyncProperty('role_status_secondary'),
          role_status_primary: asyncProperty('role_status_primary'),
          table_status_secondary: asyncProperty('table_status_secondary'),
          table_status_primary: asyncProperty('table_status_primary'),
          requestforward_secondary: asyncProperty('requestforward_secondary'),
          requestforward_primary: asyncProperty('requestforward_primary'),
        },
        FIRST_EXPERIMENTER,
      ),
    ),
  }),
  ({ properties }, r) => checkAsync(r, properties),
)
