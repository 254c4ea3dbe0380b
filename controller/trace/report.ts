// What an operator reads of a packet's way: host by host and table by table, in the words of the pipeline. Objects are
// ids here, or pieces of them: northbound/trace-view.ts adds their names, or leaves out what the asker may not see.

/** The app and the object (the first 12 hexadecimal digits of its UUID) that caused a flow. */
interface Origin {
  readonly app: string
  readonly object: string
}

export interface TracedFlow {
  readonly priority: number
  /** As ovs-ofctl writes it; '' matches everything. */
  readonly match: string
  readonly actions: string
  readonly cookie: string
  /** Null for a flow that is not Weft's. */
  readonly origin: Origin | null
  /** What it is told apart by on a switch; bytes, not for people. */
  readonly key: string
}

/** A register that the flow has set, by what it is for. */
export interface Register {
  readonly name: string
  /** `object`: 16 hexadecimal digits of its UUID. `port`: an OpenFlow number of the host. */
  readonly kind: 'object' | 'port' | 'address' | 'number'
  readonly value: string
  /** The id of the port that has the OpenFlow number. */
  readonly port: string | null
}

export interface TracedStep {
  /** How many tables go on when this one is done. */
  readonly depth: number
  readonly table: number
  readonly stage: string
  /** What it means that no flow matches, where that is known. */
  readonly lost: string | null
  /** Null where no flow matches. */
  readonly flow: TracedFlow | null
  readonly registers: readonly Register[]
  /** What happened besides: a meter, a TTL that ran out, a packet sent to conntrack. */
  readonly notes: readonly string[]
}

export interface TunnelHop {
  readonly vni: number
  /** The host at the other end; null for an address that is no host's. */
  readonly host: string | null
  readonly address: string
}

export interface Output {
  readonly ofport: number
  /** The id of the port that is plugged in there. */
  readonly port: string | null
  /** The physical network that it leads to. */
  readonly physical_network: string | null
  readonly tunnel: TunnelHop | null
}

/** A packet's pass through one host. */
export interface Hop {
  readonly host: string
  /** Null for a packet that the controller sends. */
  readonly ofport: number | null
  readonly port: string | null
  /** Where it came from, if not from a port of its own. */
  readonly physical_network: string | null
  readonly tunnel: TunnelHop | null
  /** The packet as it came, as OVS prints it. */
  readonly packet: string
  readonly steps: readonly TracedStep[]
  readonly outputs: readonly Output[]
  /** Packets to the controller: the app that gets them. */
  readonly punted: readonly (string | null)[]
  readonly error: string | null
}

export interface Place {
  readonly host: string
  readonly ofport: number
  readonly port: string | null
  readonly physical_network: string | null
}

export interface Outcome {
  /**
   * `answered`: whoever sent the packet gets a packet back, from flows or from the controller. `rejected`: a security
   * group denies it and says so.
   */
  readonly kind: 'delivered' | 'answered' | 'rejected' | 'dropped'
  readonly to: readonly Place[]
  /** In one sentence. */
  readonly reason: string
  /** Of a packet that was dropped or rejected: where. */
  readonly host: string | null
  readonly stage: string | null
  readonly table: number | null
}

/** What the security groups of a port say about the packet. */
export interface Decision {
  /** `egress`: of the port that sends the packet. */
  readonly side: 'egress' | 'ingress'
  readonly host: string
  /** The first 12 hexadecimal digits of the port's UUID. */
  readonly port: string | null
  /** `none`: no rule says anything, which denies. */
  readonly verdict: string
  /** Of the flow that decided: a rule, the group (traffic inside of it), or nobody (the port's default). */
  readonly origin: Origin | null
}

export interface Report {
  readonly packet: string
  readonly hops: readonly Hop[]
  readonly decisions: readonly Decision[]
  /** Copies to hosts that are not shown, as there are too many. */
  readonly unfollowed: number
  readonly outcome: Outcome
}
