// What part of a small change is the switches' own: they share the machine's processors, and a changed flow makes each do more
// than take it. No controller can need less than a program that has the messages at hand and only sends them.
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '../../controller/connect/openflow.ts'
import { parseFlowMod } from '../../ofproto/index.ts'
import type { DummyHost } from '../lab/dummy-hosts.ts'
import { median, timed } from './statistics.ts'

const BRIDGE = 'br-int'
/** As many as for a rule of a security group. */
const FLOWS = [1, 2, 3].map((port) => `table=250,priority=${port},tcp,tp_dst=${port}`)

/** Between two changes: whoever makes one by hand finds the caches cold, as a controller does that works in between. */
const PAUSE_MILLISECONDS = 50

/** Milliseconds until all switches have confirmed three flows more, or less; nobody else may talk to them. */
export async function switchesAlone(hosts: readonly DummyHost[], rounds: number): Promise<number> {
  const channels = await Promise.all(hosts.map(({ ovs }) => connect(ovs.management(BRIDGE), {})))
  const times: number[] = []
  for (let round = 0; round <= rounds; round += 1) {
    for (const mods of [
      FLOWS.map((flow) => parseFlowMod('add', `${flow},actions=drop`)),
      FLOWS.map((flow) => parseFlowMod('delete_strict', flow)),
    ]) {
      await sleep(PAUSE_MILLISECONDS)
      const milliseconds = await timed(() =>
        Promise.all(
          channels.map((channel) => {
            for (const mod of mods) channel.send({ ...mod, xid: channel.nextXid() })
            return channel.barrier()
          }),
        ),
      )
      if (round > 0) times.push(milliseconds)
    }
  }
  for (const channel of channels) channel.close()
  return median(times)
}
