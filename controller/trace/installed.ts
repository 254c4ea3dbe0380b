// What a switch has now, asked for one question: its flows with their counters.
import type { Channel } from '../connect/channel.ts'
import { ANY_GROUP, encodeMessage, NO_BUFFER, ports, type FlowStats } from '../../ofproto/messages/index.ts'
import { flowOf, type Flow } from '../pipeline/packed-flow.ts'

export interface InstalledFlow {
  readonly flow: Flow
  readonly packets: bigint
  readonly bytes: bigint
}

const ALL_TABLES = 0xff

function installed(flow: FlowStats): InstalledFlow {
  const frame = encodeMessage({
    kind: 'flow_mod',
    xid: 0,
    cookie: flow.cookie,
    cookieMask: 0n,
    table: flow.table,
    command: 'add',
    idleTimeoutSeconds: flow.idleTimeoutSeconds,
    hardTimeoutSeconds: flow.hardTimeoutSeconds,
    priority: flow.priority,
    bufferId: NO_BUFFER,
    outPort: ports.any,
    outGroup: ANY_GROUP,
    flags: flow.flags,
    match: flow.match,
    instructions: flow.instructions,
  })
  const { packets, bytes } = flow
  return { flow: flowOf(frame), packets, bytes }
}

export interface FlowFilter {
  readonly table?: number
  readonly cookie?: bigint
  /** The bits of the cookie that count. */
  readonly cookieMask?: bigint
}

/** The flows of a switch. Rejects with ChannelError. */
export async function readFlows(
  channel: Channel,
  { table = ALL_TABLES, cookie = 0n, cookieMask = 0n }: FlowFilter = {},
): Promise<readonly InstalledFlow[]> {
  const body = { kind: 'flow', table, outPort: ports.any, outGroup: ANY_GROUP, cookie, cookieMask, match: [] } as const
  const reply = await channel.request({ kind: 'multipart_request', xid: channel.nextXid(), more: false, body })
  return reply.kind === 'multipart_reply' && reply.body.kind === 'flow' ? reply.body.flows.map(installed) : []
}
