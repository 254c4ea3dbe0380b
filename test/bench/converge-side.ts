// One of those whom `converge` compares: the same intent in its own language, and its own word that all hosts have it.
import type { PlannedNetwork, PlannedPort, Topology } from './topology.ts'

export interface Side extends AsyncDisposable {
  readonly name: string
  /** Writes all but the spare ports; settles when all hosts have what is to be there before an interface is bound. */
  build(topology: Topology): Promise<void>
  /** Writes a port. */
  addPort(network: PlannedNetwork, port: PlannedPort): Promise<void>
  removePort(network: PlannedNetwork, port: PlannedPort): Promise<void>
  /** What an interface has to have as iface-id to be this port. */
  idOf(port: PlannedPort): string
  /** All hosts have confirmed the ports, which are bound, and everything else. */
  bound(ports: readonly PlannedPort[]): Promise<void>
  /** Adds or removes a rule of the group that all ports are in, until all hosts have confirmed. */
  setRule(there: boolean): Promise<void>
  /** Attaches the network to the router or takes it off, until all hosts have confirmed. */
  setInterface(network: PlannedNetwork, there: boolean): Promise<void>
  /** Kills all of its processes but the databases and starts them again, until all hosts have confirmed. */
  restart(): Promise<void>
  /** Process ids by name; processes of one name are one for each host. */
  processes(): readonly (readonly [name: string, pid: number])[]
}
