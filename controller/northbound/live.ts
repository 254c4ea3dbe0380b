// What hosts report, injected by the composition root: the API shows it and never decides by it.

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
  subscribe(listener: (change: LiveChange) => void): () => void
}

/** For `?wait=realized`: which hosts have not confirmed, empty when all have. Resolves at the latest after `timeoutMs`. */
export type WaitRealized = (
  objects: readonly { readonly kind: string; readonly id: string }[],
  revision: number,
  timeoutMs: number,
) => Promise<readonly { readonly host: string; readonly reason: string }[]>
