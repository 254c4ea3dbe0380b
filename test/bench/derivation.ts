// `npm run bench -- derivation`: from intent to flow-mods with the real apps and flows: everything at once, then one
// port changed, moved and added; beside computing everything anew for each change.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { apps } from '../../apps/index.ts'
import { Deployment } from '../../controller/deployment.ts'
import { Derivation } from '../../controller/derivation.ts'
import { fill, portId, portRow } from './intent.ts'
import { median, quantile } from './statistics.ts'

const SIZE = { hosts: 100, networks: 200, ports: 20_000, spread: 10 }
const CHANGES = 200

/** Applies what is staged; gives milliseconds and how many things hosts were told. */
function step(derivation: Derivation, deployment: Deployment): { milliseconds: number; sent: number } {
  const begin = performance.now()
  const { units, scopes } = derivation.commit()
  deployment.update(units, scopes)
  let sent = 0
  for (const { put, remove } of deployment.take().values()) sent += put.size + remove.size
  return { milliseconds: performance.now() - begin, sent }
}

/** Bytes that survive a full garbage collection. */
function memoryKept(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

export async function run(): Promise<void> {
  const memoryBefore = memoryKept()
  const derivation = new Derivation(apps)
  const deployment = new Deployment()
  fill(derivation.inputs, SIZE)
  const whole = step(derivation, deployment)
  const memory = memoryKept() - memoryBefore
  const report = (name: string, value: string): void => console.log(`  ${name.padEnd(64)}${value}`)
  console.log(`derivation: ${SIZE.ports} ports on ${SIZE.networks} networks and ${SIZE.hosts} hosts, the real apps`)
  report(
    'everything from scratch',
    `${(whole.milliseconds / 1000).toFixed(2)} s, ${whole.sent} flow-mods for all hosts`,
  )
  report('memory kept', `${(memory / 2 ** 20).toFixed(0)} MiB, ${(memory / SIZE.ports) | 0} bytes a port`)
  const kinds = {
    'one port renamed (nothing to send)': (i: number) =>
      derivation.inputs.port.set(portId(i), portRow(i, SIZE, { name: `n${i}` })),
    'one port’s security switched off': (i: number) =>
      derivation.inputs.port.set(portId(i), portRow(i, SIZE, { port_security_enabled: false })),
    'one port plugged in elsewhere': (i: number) => {
      const row = derivation.inputs.vif.keys()[i] as string
      const before = derivation.inputs.vif.get(row)
      if (before !== undefined) derivation.inputs.vif.set(row, { ...before, ofport: before.ofport + 30_000 })
    },
  }
  for (const [name, change] of Object.entries(kinds)) {
    const times: number[] = []
    let sent = 0
    for (let i = 0; i < CHANGES; i += 1) {
      change(i * 7)
      const done = step(derivation, deployment)
      times.push(done.milliseconds)
      sent += done.sent
    }
    const ratio = whole.milliseconds / median(times)
    report(
      name,
      `${(median(times) * 1000).toFixed(0)} µs median, ${(quantile(times, 0.99) * 1000).toFixed(0)} µs p99, ${(sent / CHANGES).toFixed(1)} flow-mods, ${ratio.toFixed(0)}x less than anew`,
    )
  }
}
