// What hosts report, injected by the composition root. The API shows it; it decides by it only which segment of a network
// a port is on.

/** A host, in the shape of a Neutron agent. */
export interface LiveAgent {
  readonly id: string
  readonly host: string
  /** How rows about the host name it. */
  readonly systemId: string
  readonly alive: boolean
  readonly created_at: string
  readonly started_at: string
  readonly heartbeat_timestamp: string
  /** Versions, encapsulation address, counts and so on. */
  readonly configurations: Readonly<Record<string, unknown>>
}

export type Status = 'ACTIVE' | 'BUILD' | 'DOWN' | 'ERROR'

export type LiveChange =
  | { readonly kind: 'agent'; readonly id: string; readonly agent: LiveAgent | null }
  | { readonly kind: 'port' | 'network'; readonly id: string; readonly status: Status }
  /** What happened on a host because of an object, such as a rule that is logged. */
  | { readonly kind: string; readonly id: string; readonly host: string; readonly [detail: string]: unknown }

export interface LiveState {
  agents(): readonly LiveAgent[]
  /** False when the host is still connected; true when it is known no more. */
  forgetAgent(id: string): boolean
  /** Whether packets of the network can reach the host. */
  carries(agent: string, network: string): boolean
  /** Undefined where no host has reported anything. */
  portStatus(id: string): Status | undefined
  networkStatus(id: string): Status | undefined
  /** The name of the host that has the port's interface. */
  portHost(id: string): string | undefined
  /** The physical networks that a host has a way to, by the host's id or name; undefined for one that is not known. */
  physicalNetworks(host: string): ReadonlySet<string> | undefined
  /** Called when hosts or where ports are plugged in may have changed. */
  onPlaces(listener: () => void): () => void
  subscribe(listener: (change: LiveChange) => void): () => void
}

/**
 * For `?wait=realized`: which hosts have not confirmed, empty when all have. Resolves at the latest after `timeoutMs`; calls
 * `told` when all that are connected have been told.
 */
export type WaitRealized = (
  objects: readonly { readonly kind: string; readonly id: string }[],
  revision: number,
  timeoutMs: number,
  told: () => void,
) => Promise<readonly { readonly host: string; readonly reason: string }[]>
