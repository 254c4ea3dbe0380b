// Why an output has its value: the nodes it read, directly or not, each once, as a flat list that can be sent as JSON.
import { type Graph, type Key, type Node, none, type Owner } from './graph.ts'

export interface Step {
  readonly kind: Owner['kind']
  readonly name: string
  readonly key: Key
  readonly value: unknown
  /** The revision at which the value last changed. */
  readonly changedAt: number
  readonly problem: string | undefined
  /** Indices into the list, in the order of reading. */
  readonly reads: readonly number[]
}

export function walk(root: Node, { links, failing }: Graph): readonly Step[] {
  const index = new Map<Node, number>([[root, 0]])
  const steps: Step[] = []
  // Map iteration also visits what is added on the way.
  for (const node of index.keys()) {
    const reads: number[] = []
    for (let link = node.firstDep; link !== 0; link = links.nextDep(link)) {
      const dep = links.dep(link)
      if (!index.has(dep)) index.set(dep, index.size)
      reads.push(index.get(dep) as number)
    }
    const { owner, key, changedAt } = node
    const value = node.value === none ? undefined : node.value
    steps.push({
      kind: owner.kind,
      name: owner.name,
      key,
      value,
      changedAt,
      problem: failing.get(node)?.message,
      reads,
    })
  }
  return steps
}
