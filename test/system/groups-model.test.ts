// The tables of security groups on ovs-vswitchd: random worlds, the flows of one of their hosts, conversations and edits
// of rules in between. The modelled host says which packets leave, to the byte; that this is what the rules say, a
// property shows (controller/model/policy-property.test.ts).
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Arrival } from '../../controller/model/switch.ts'
import { Conversation, sayings, talks } from '../../controller/model/policy-talk.ts'
import { apply, edited, edits, rowsOf, worlds, type World } from '../../controller/model/policy-world.ts'
import { simulate, type Simulated } from '../../controller/model/testing.ts'
import { formatTrace, type Trace } from '../../controller/model/trace.ts'
import type { Item } from '../../controller/pipeline/value.ts'
import { decodeMessage, type Message } from '../../ofproto/messages/index.ts'
import { ModelLab, outputText } from './model-lab.ts'

/** Of tunnels. Not of a documentation range: machines that run tests have those. */
const encapIps = ['198.18.73.1', '198.18.73.2'] as const
const HOST = 'host1'

/** Ports of first fragments are seen, as the controller asks. */
const config = { kind: 'set_config', xid: 0, flags: 3, missSendLength: 128 } as const

/** Packets said, and how many between two edits. */
const [STEPS, BETWEEN] = [72, 12]

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** What a switch must be told to have `after` in place of `before`. */
function delta(before: ReadonlyMap<string, Item>, after: ReadonlyMap<string, Item>): Message[] {
  const gone = Array.from(before).filter(([key]) => !after.has(key))
  const removed = gone.flatMap(([, { frame }]): Message[] => {
    const message = decodeMessage(frame)
    return message.kind === 'flow_mod' ? [{ ...message, command: 'delete_strict' }] : []
  })
  const put = Array.from(after).filter(([key, item]) => before.get(key) !== item)
  return [...removed, ...put.map(([, { frame }]) => decodeMessage(frame))]
}

/** What arrives at the host when a packet is sent: from its own port, or by a tunnel from the other host. */
function arrivals({ fabric }: Simulated, host: string, arrival: Arrival): readonly Arrival[] {
  if (host === HOST) return [arrival]
  const { outputs } = fabric.switchOf(host).trace(arrival)
  return outputs.flatMap(({ port, tunnel, bytes }) => (tunnel === null ? [] : [{ bytes, inPort: port, tunnel }]))
}

/** What the host is told and gets, and what the model says leaves it then. */
type Step =
  | { readonly kind: 'edit'; readonly messages: readonly Message[] }
  | { readonly kind: 'packet'; readonly arrival: Arrival; readonly left: readonly string[]; readonly trace: Trace }

interface Script {
  readonly local: readonly number[]
  readonly steps: readonly Step[]
}

/** A world's story, as the model tells it. */
function script(seed: number): Script {
  const [start] = fc.sample(worlds, { seed, numRuns: 1 }) as [World]
  const rows = rowsOf(start)
  const hosts = rows.hosts.map((row, i) => ({ ...row, encapIp: encapIps[i] ?? '' }))
  const simulated = simulate({ ...rows, hosts })
  let installed = new Map(simulated.deployment.itemsOf(HOST))
  const steps: Step[] = [{ kind: 'edit', messages: [config, ...delta(new Map(), installed)] }]
  const conversations = fc.sample(talks, { seed, numRuns: 12 }).flatMap((talk) => {
    const [a, b] = [talk.from, talk.to].map((i) => start.stations[i % start.stations.length])
    return a && b && a !== b ? [new Conversation(a, b, a.n === b.n ? talk : { ...talk, family: 'IPv4' })] : []
  })
  const ruleEdits = edits.filter(({ kind }) => kind !== 'groups' && kind !== 'security' && kind !== 'state')
  const changes = fc.sample(ruleEdits, { seed, numRuns: STEPS / BETWEEN })
  let world = start
  for (const [serial, saying] of fc.sample(sayings, { seed, numRuns: STEPS }).entries()) {
    const edit = serial % BETWEEN === BETWEEN - 1 ? changes[Math.floor(serial / BETWEEN)] : undefined
    if (edit !== undefined) {
      const next = edited(world, edit, serial)
      apply(simulated, world, next)
      world = next
      const wanted = new Map(simulated.deployment.itemsOf(HOST))
      steps.push({ kind: 'edit', messages: delta(installed, wanted) })
      installed = wanted
    }
    const said = conversations[serial % conversations.length]?.say(saying, serial)
    for (const bytes of said?.frames ?? []) {
      const { h, n, i } = said?.source ?? { h: 0, n: 0, i: 0 }
      for (const arrival of arrivals(simulated, `host${h}`, { bytes, inPort: n * 256 + i })) {
        const trace = simulated.fabric.switchOf(HOST).trace(arrival)
        const left = trace.outputs.map((each) => `${outputText(each.port, each.tunnel)}: ${hex(each.bytes)}`)
        steps.push({ kind: 'packet', arrival, left, trace })
      }
    }
  }
  return { local: rows.vifs.filter(({ host }) => host === HOST).map(({ ofport }) => ofport), steps }
}

/** Enough happens: something gets through, something does not. */
function isLively({ steps }: Script): boolean {
  const counts = steps.flatMap((step) => (step.kind === 'packet' ? [step.left.length] : []))
  return Math.min(counts.filter((count) => count > 0).length, counts.filter((count) => count === 0).length) > 15
}

const stories: (Script & { readonly seed: number })[] = []
for (let seed = 0; stories.length < 2; seed += 1) {
  const story = { seed, ...script(seed) }
  if (isLively(story)) stories.push(story)
}

test.each(stories)('random groups, conversations and edits: the same leaves (seed $seed)', async ({ local, steps }) => {
  await using lab = await ModelLab.start(local, encapIps[0], encapIps.slice(1))
  const left: string[] = []
  for (const step of steps) {
    if (step.kind === 'edit') {
      await lab.install(step.messages)
      await lab.revalidated()
      continue
    }
    left.push(...step.left)
    await lab.receive(step.arrival)
    const context = formatTrace(step.trace)
    expect({ left: await lab.transmitted(left.length), context }).toEqual({ left: left.toSorted(), context })
  }
})
