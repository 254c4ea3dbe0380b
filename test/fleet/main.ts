// Simulated OVS hosts for a controller that runs somewhere:
//
//     node test/fleet/main.ts --hosts 100 --ports 10 --manager tcp:127.0.0.1:6640 --api http://127.0.0.1:9696
//
// makes a network with hosts x ports ports over the API, plugs them in, and prints once a second what the hosts have.
// Without --api the hosts come without ports. Started by process.ts it takes its orders from there instead.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { commands, type Answer, type Question } from './commands.ts'
import { startFleet } from './fleet.ts'
import type { FleetProcessOptions } from './process.ts'

/** Hosts of a subnet: its size must suffice for all ports. */
const SUBNET = '10.0.0.0/8'
/** Ports in one request. */
const BULK = 500

function obey({ ports, manager, latencyMilliseconds = 0 }: FleetProcessOptions): void {
  const fleet = startFleet({ hosts: ports.length, manager, latencyMilliseconds, portsOf: (host) => ports[host] ?? [] })
  const known = commands(fleet) as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>
  process.on('message', ({ id, name, args }: Question) => {
    let answer: Answer
    try {
      answer = { id, result: known[name]?.(...args) }
    } catch (error) {
      answer = { id, error: String(error) }
    }
    // Whoever asked may be gone by now.
    process.send?.(answer, undefined, undefined, () => {})
  })
  process.on('disconnect', () => process.exit())
}

async function call(api: string, method: string, path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${api}/v2.0/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Record<string, unknown>
}

/** The UUIDs of `count` new ports on a new network. */
async function makePorts(api: string, count: number): Promise<string[]> {
  const made = await call(api, 'POST', 'networks', { network: { name: 'fleet' } })
  const network = made['network'] as { readonly id: string; readonly project_id: string }
  await call(api, 'PUT', `quotas/${network.project_id}`, { quota: { port: -1 } })
  await call(api, 'POST', 'subnets', { subnet: { network_id: network.id, ip_version: 4, cidr: SUBNET } })
  const ids: string[] = []
  while (ids.length < count) {
    const ports = Array.from({ length: Math.min(BULK, count - ids.length) }, () => ({ network_id: network.id }))
    const made = (await call(api, 'POST', 'ports', { ports })) as { ports: readonly { id: string }[] }
    ids.push(...made.ports.map(({ id }) => id))
  }
  return ids
}

async function standAlone(): Promise<void> {
  const { values } = parseArgs({
    options: {
      hosts: { type: 'string', default: '10' },
      ports: { type: 'string', default: '10' },
      manager: { type: 'string', default: 'tcp:127.0.0.1:6640' },
      api: { type: 'string' },
    },
  })
  const [hosts, each] = [Number(values.hosts), Number(values.ports)]
  const ids = values.api === undefined ? [] : await makePorts(values.api, hosts * each)
  const portsOf = (host: number): string[] => ids.slice(host * each, (host + 1) * each)
  const fleet = startFleet({ hosts, manager: values.manager, portsOf })
  for (;;) {
    await sleep(1000)
    const { connected, flows, distinctFlows, flowMods, frames, bytes } = fleet.totals()
    const sent = `${flowMods} flow-mods in ${frames} messages of ${bytes} bytes`
    console.log(`${connected} of ${hosts} connected, ${flows} flows (${distinctFlows} different), ${sent}`)
  }
}

if (process.send === undefined) await standAlone()
else process.once('message', (options: FleetProcessOptions) => obey(options))
