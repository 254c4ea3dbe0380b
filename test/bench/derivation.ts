// `npm run bench -- derivation [ports=N] [hosts=N] [networks=N] [spread=N]`: from intent to flow-mods with the real apps
// and flows: everything at once, then one change at a time, beside computing everything anew for each.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { apps } from '../../apps/index.ts'
import { Deployment } from '../../controller/deployment.ts'
import { Derivation } from '../../controller/derivation.ts'
import { fill, hostOf, portId, portRow, vifRow, type Size } from './intent.ts'
import type { Sizes } from './main.ts'
import { quantile } from './statistics.ts'
import { changesOf } from '../../controller/switch/desired.ts'

const defaults = { ports: 100_000, hosts: 1_000, networks: 1_000, spread: 10 }
const CHANGES = 500

interface Step {
  readonly milliseconds: number
  /** Flow-mods and meter-mods for all hosts. */
  readonly sent: number
}

/** Applies what is staged. */
function step(derivation: Derivation, deployment: Deployment): Step {
  const begin = performance.now()
  const { units, scopes } = derivation.commit()
  deployment.update(units, scopes)
  let sent = 0
  for (const delta of deployment.take().values()) sent += changesOf(delta).size
  return { milliseconds: performance.now() - begin, sent }
}

/** Bytes that survive a full garbage collection. */
function memoryKept(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Changes of port `i`, one after another: what each does can be told from the one before. */
function changes(derivation: Derivation, size: Size): Readonly<Record<string, (i: number) => void>> {
  const { port, vif } = derivation.inputs
  const plug = (i: number, host = hostOf(i, size)): void => vif.set(`${host}/t${i}`, vifRow(i, host))
  return {
    'port renamed (nothing to send)': (i) => port.set(portId(i), portRow(i, size, { name: `n${i}` })),
    'port’s security switched off': (i) => port.set(portId(i), portRow(i, size, { port_security_enabled: false })),
    'port unplugged': (i) => vif.delete(`${hostOf(i, size)}/t${i}`),
    'port plugged in again': (i) => plug(i),
    'port moves to a host that is new to the network': (i) => {
      vif.delete(`${hostOf(i, size)}/t${i}`)
      plug(i, `h${(i * 7919) % size.hosts}`)
    },
    'port added on a network': (i) => {
      port.set(portId(size.ports + i), portRow(size.ports + i, size))
      plug(size.ports + i)
    },
  }
}

export async function run(sizes: Sizes): Promise<void> {
  const size = { ...defaults, ...sizes }
  const memoryBefore = memoryKept()
  const derivation = new Derivation(apps)
  const deployment = new Deployment()
  fill(derivation.inputs, size)
  const cpu = process.cpuUsage()
  const whole = step(derivation, deployment)
  const { user, system } = process.cpuUsage(cpu)
  const memory = memoryKept() - memoryBefore
  const items = new Set(
    Array.from({ length: size.hosts }, (_, h) => deployment.itemsOf(`h${h}`).values()).flatMap((each) => [...each]),
  )
  const report = (name: string, value: string): void => console.log(`  ${name.padEnd(50)}${value}`)
  console.log(
    `derivation: ${size.ports} ports on ${size.networks} networks and ${size.hosts} hosts (${size.spread} a network), the real apps`,
  )
  report(
    'everything from scratch',
    `${(whole.milliseconds / 1000).toFixed(2)} s (${((user + system) / 1e6).toFixed(1)} s of CPU), ${items.size} flows, ${whole.sent} on all hosts`,
  )
  report(
    'memory kept',
    `${(memory / 2 ** 20).toFixed(0)} MiB, ${(memory / size.ports) | 0} bytes a port, ${(memory / items.size) | 0} a flow`,
  )
  for (const [name, change] of Object.entries(changes(derivation, size))) {
    const times: number[] = []
    let sent = 0
    for (let i = 0; i < CHANGES; i += 1) {
      change((i * 7) % size.ports)
      const done = step(derivation, deployment)
      times.push(done.milliseconds)
      sent += done.sent
    }
    const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)]
    report(
      name,
      `${(p50 * 1000).toFixed(0)} µs, p99 ${(p99 * 1000).toFixed(0)} µs; ${(sent / CHANGES).toFixed(1)} flow-mods; anew ${(whole.milliseconds / p50).toFixed(0)} times`,
    )
  }
}
