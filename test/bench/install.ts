// `npm run bench -- install`: how fast flows get into one real ovs-vswitchd, through the controller's switch session as in
// production, and by `ovs-ofctl --bundle add-flows` of the same flows; and all of them written to the socket without bundle
// or answer, which is what the switch itself needs. The flows are those of a host with many ports.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apps } from '../../apps/index.ts'
import type { Channel } from '../../controller/connect/channel.ts'
import { connect } from '../../controller/connect/openflow.ts'
import { Deployment } from '../../controller/deployment.ts'
import { Derivation } from '../../controller/derivation.ts'
import type { Item } from '../../controller/pipeline/value.ts'
import { SwitchSession } from '../../controller/switch/session.ts'
import { formatMatch } from '../../ofproto/fields/match-text.ts'
import { formatInstructions } from '../../ofproto/actions/index.ts'
import { decodeMessage } from '../../ofproto/messages/index.ts'
import { Ovs } from '../lab/ovs.ts'
import { fill } from './intent.ts'
import { median, spread, timed } from './statistics.ts'
import { cpuMicroseconds } from './watch-process.ts'

const BRIDGE = 'br-int'
const SIZES = [10_000, 50_000, 100_000]
const ROUNDS = 5
const PORTS_ON_A_NETWORK = 200

/** The first `count` flows of a host on which all networks are needed. */
function flowsOfHost(count: number): Item[] {
  const derivation = new Derivation(apps)
  const deployment = new Deployment()
  const ports = Math.ceil(count / 2)
  fill(derivation.inputs, { hosts: 10, networks: Math.ceil(ports / PORTS_ON_A_NETWORK), ports, spread: 10 })
  const { units, scopes } = derivation.commit()
  deployment.update(units, scopes)
  // Meters cannot be in bundles; ovs-ofctl would refuse flows that name them.
  const meterless = [...deployment.itemsOf('h0').values()].filter(
    ({ kind, frame }) => kind === 'flow' && !textOf(frame).includes('meter:'),
  )
  if (meterless.length < count) throw new Error(`only ${meterless.length} flows`)
  return meterless.slice(0, count)
}

/** As `ovs-ofctl add-flow` takes it. */
function textOf(frame: Uint8Array): string {
  const mod = decodeMessage(frame)
  if (mod.kind !== 'flow_mod') throw new Error(mod.kind)
  const head = `table=${mod.table},priority=${mod.priority},cookie=0x${mod.cookie.toString(16)}`
  return [head, formatMatch(mod.match)].filter(Boolean).join(',') + ` actions=${formatInstructions(mod.instructions)}`
}

/** Until the session of a connected switch that has nothing has confirmed the flows. */
async function bySession(ovs: Ovs, items: readonly Item[]): Promise<number> {
  let channel: Channel | null = null
  const compared = Promise.withResolvers<void>()
  const confirmed = Promise.withResolvers<void>()
  const session = new SwitchSession({
    desired: { lists: () => [], settled: true },
    owns: { flow: () => 'weft', group: () => 'foreign', meter: () => 'foreign' },
    send: (bytes) => channel?.sendFrames(bytes),
    report: (event) => {
      if (event.kind === 'synchronized') compared.resolve()
      if (event.kind === 'confirmed' && event.revision === 1) confirmed.resolve()
    },
  })
  channel = await connect(ovs.management(BRIDGE), { claim: (frame) => session.receive(frame) })
  session.connected(performance.now(), null)
  await compared.promise
  const milliseconds = await timed(() => {
    session.desire(1, { removed: [], added: [items] })
    return confirmed.promise
  })
  channel.close()
  return milliseconds
}

/** Without bundles: what the switch needs to take the flow_mods themselves. */
async function bySocket(ovs: Ovs, items: readonly Item[]): Promise<number> {
  const channel = await connect(ovs.management(BRIDGE), {})
  const bytes = Buffer.concat(items.map(({ frame }) => frame))
  const milliseconds = await timed(() => {
    channel.sendFrames(bytes)
    return channel.barrier()
  })
  channel.close()
  return milliseconds
}

async function countFlows(ovs: Ovs): Promise<number> {
  const text = await ovs.ofctl('dump-aggregate', BRIDGE)
  return Number(/flow_count=(\d+)/.exec(text)?.[1])
}

/** Of one way in one round, for each flow. */
interface Round {
  readonly microseconds: number
  /** Processor time of the switch. */
  readonly switchMicroseconds: number
}

export async function run(): Promise<void> {
  await using ovs = await Ovs.start()
  await ovs.addBridge(BRIDGE)
  await ovs.vsctl('set', 'bridge', BRIDGE, 'protocols=OpenFlow13,OpenFlow14')
  console.log(`install: into one ovs-vswitchd, medians of ${ROUNDS}, ratios of neighbouring rounds with quartiles`)
  for (const size of SIZES) {
    const items = flowsOfHost(size)
    const file = join(ovs.folder, 'flows')
    writeFileSync(file, items.map(({ frame }) => `${textOf(frame)}\n`).join(''))
    const ways = {
      weft: () => bySession(ovs, items),
      'ovs-ofctl': () => timed(() => ovs.ofctl('-O', 'OpenFlow14', '--bundle', 'add-flows', BRIDGE, file)),
      'without bundle': () => bySocket(ovs, items),
    }
    const rounds = new Map(Object.keys(ways).map((way) => [way, [] as Round[]]))
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [way, install] of Object.entries(ways)) {
        await ovs.ofctl('del-flows', BRIDGE)
        const before = cpuMicroseconds(ovs.processes.switch)
        const milliseconds = await install()
        const spent = cpuMicroseconds(ovs.processes.switch) - before
        if ((await countFlows(ovs)) !== size) throw new Error(`${way} has not installed all ${size} flows`)
        rounds.get(way)?.push({ microseconds: (milliseconds * 1000) / size, switchMicroseconds: spent / size })
      }
    }
    for (const [way, each] of rounds) print(`${size} flows, ${way}`, each, rounds.get('weft') ?? [])
  }
}

function print(name: string, rounds: readonly Round[], ours: readonly Round[]): void {
  const time = median(rounds.map(({ microseconds }) => microseconds))
  const processor = median(rounds.map(({ switchMicroseconds }) => switchMicroseconds))
  const ratios = rounds.map(({ microseconds }, n) => microseconds / (ours[n]?.microseconds ?? Number.NaN))
  const perSecond = `${(1e6 / time).toFixed(0)} flows a second, ${processor.toFixed(1)} µs of the switch for each`
  console.log(`  ${name.padEnd(32)}${perSecond}; Weft to it ${spread(ratios, 2)}`)
}
