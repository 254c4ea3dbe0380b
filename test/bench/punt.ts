// `npm run bench -- punt`: how fast packets are answered that switches send to the controller. DHCP through a real OVS; then
// packet-in to packet-out from the same simulated switches for Weft, ovs-testcontroller (C) and a learning switch on os-ken
// (Python), with the same DHCP requests. They do not do the same with them: Weft looks up port and subnet and answers with a
// packet of its own; the other two learn the sender and send the packet on to all ports. Theirs is less work. They take turns
// in short rounds, so that what else the machine does meets all alike.
import { realDhcp } from './punt-dhcp.ts'
import { bareSockets, osKen, SWITCHES, testController, weft, type Contender } from './punt-contenders.ts'
import type { Served } from './punt-load.ts'
import { median, spread } from './statistics.ts'

/** ovs-testcontroller drops answers when more than 10 wait for one switch. */
const UNANSWERED = 8
const SECONDS = 2
const ROUNDS = 7

export async function run(): Promise<void> {
  console.log('punt: DHCP requests of virtual machines through one ovs-vswitchd')
  for (const { offered, perSecond, p50, p99, lost, ...cpu } of await realDhcp()) {
    line(
      `${offered} a second offered`,
      `${perSecond.toFixed(0)} a second answered, ${ms(p50)} p50, ${ms(p99)} p99, ${lost} lost`,
    )
    const [ours, theirs] = [cpu.weftMicroseconds, cpu.switchMicroseconds]
    line('', `CPU time for each: ${ours.toFixed(0)} µs of Weft, ${theirs.toFixed(0)} µs of ovs-vswitchd`)
  }
  console.log(`punt: packet-in to packet-out, ${SWITCHES} simulated switches, medians of ${ROUNDS} rounds`)
  await compare()
}

const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`
const line = (name: string, value: string): void => console.log(`  ${name.padEnd(36)}${value}`)

/** One round: one unanswered packet-in in all, and several of each switch. */
interface Round {
  readonly latency: Served
  readonly throughput: Served
}

async function compare(): Promise<void> {
  const contenders: Contender[] = []
  try {
    for (const start of [weft, testController, osKen, bareSockets]) contenders.push(await start())
    const rounds = contenders.map((): Round[] => [])
    for (let n = 0; n < ROUNDS; n += 1) {
      for (const [i, { load }] of contenders.entries()) {
        const latency = await load.run(1, 1, SECONDS)
        rounds[i]?.push({ latency, throughput: await load.run(SWITCHES, UNANSWERED, SECONDS) })
      }
    }
    const [ours = []] = rounds
    for (const [i, { name }] of contenders.entries()) print(name, rounds[i] ?? [], ours)
  } finally {
    for (const contender of contenders) await contender.stop()
  }
}

function print(name: string, rounds: readonly Round[], ours: readonly Round[]): void {
  const perSecond = rounds.map(({ throughput }) => throughput.perSecond)
  const perCpuSecond = rounds.map(({ throughput }) => throughput.perCpuSecond)
  const ratios = rounds.map(({ throughput }, n) => (ours[n]?.throughput.perCpuSecond ?? 0) / throughput.perCpuSecond)
  line(name, `${spread(perSecond, 0)} a second, ${spread(perCpuSecond, 0)} a second of its CPU time`)
  const lost = rounds.reduce((sum, { throughput }) => sum + throughput.lost, 0)
  const [p50, p99] = [median(rounds.map((r) => r.latency.p50)), median(rounds.map((r) => r.latency.p99))]
  line('', `one at a time: ${ms(p50)} p50, ${ms(p99)} p99; ${lost} lost; Weft to it by CPU time: ${spread(ratios, 2)}`)
}
