// Ports: struct ofp_port of OpenFlow 1.3 in port status and port description, port_mod, and the statistics of ports.
import { errorCodes } from '../wire/errors.ts'
import { list, oneOf, pad, struct, text, u32, u48, u64, u8, variant, type ValueOf } from '../wire/struct.ts'
import { checked, checkPort, message } from './frame.ts'

export const portConfig = { down: 1 << 0, noReceive: 1 << 2, noForward: 1 << 5, noPacketIn: 1 << 6 } as const
export const portState = { linkDown: 1 << 0, blocked: 1 << 1, live: 1 << 2 } as const

/** `current` to `peer` are bitmaps of OFPPF_*. */
export const port = checked(
  struct('port', {
    port: u32,
    pad: pad(4),
    mac: u48,
    pad2: pad(2),
    name: text(16),
    config: u32,
    state: u32,
    current: u32,
    advertised: u32,
    supported: u32,
    peer: u32,
    currentSpeedKbps: u32,
    maximumSpeedKbps: u32,
  }),
  (value, r) => checkPort(r, value.port),
)
export type Port = ValueOf<typeof port>

export const portStatus = message('port_status', 12, {
  reason: oneOf(u8, { add: 0, delete: 1, modify: 2 }, errorCodes.badPortReason, 'reason of a port status'),
  pad: pad(7),
  port,
})

export const portMod = checked(
  message('port_mod', 16, {
    port: u32,
    pad: pad(4),
    mac: u48,
    pad2: pad(2),
    config: u32,
    mask: u32,
    advertise: u32,
    pad3: pad(4),
  }),
  (value, r) => checkPort(r, value.port),
)

export type PortMod = ValueOf<typeof portMod>

export const portStatsRequest = checked(variant('port_stats', { port: u32, pad: pad(4) }), (value, r) =>
  checkPort(r, value.port),
)

/** A counter that the switch does not keep is all ones. */
export const portStats = checked(
  struct('port_stats', {
    port: u32,
    pad: pad(4),
    receivedPackets: u64,
    sentPackets: u64,
    receivedBytes: u64,
    sentBytes: u64,
    receiveDropped: u64,
    sendDropped: u64,
    receiveErrors: u64,
    sendErrors: u64,
    frameErrors: u64,
    overrunErrors: u64,
    crcErrors: u64,
    collisions: u64,
    durationSeconds: u32,
    durationNanoseconds: u32,
  }),
  (value, r) => checkPort(r, value.port),
)
export type PortStats = ValueOf<typeof portStats>

export const portStatsReply = variant('port_stats', { ports: list(portStats) })
export const portDescRequest = variant('port_desc', {})
export const portDescReply = variant('port_desc', { ports: list(port) })
