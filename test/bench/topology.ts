// What `converge` builds in Weft and in OVN alike: networks on one router, their ports spread over all hosts.
export interface Size {
  readonly hosts: number
  readonly networks: number
  /** Of each network. */
  readonly ports: number
  /** Ports of the first network that are added one at a time. */
  readonly spare: number
}

export interface PlannedNetwork {
  readonly name: string
  readonly cidr: string
  readonly gateway: string
  readonly gatewayMac: string
  readonly ports: readonly PlannedPort[]
}

export interface PlannedPort {
  readonly name: string
  readonly mac: string
  readonly address: string
  /** Index of the host, and the interface there. */
  readonly host: number
  readonly interface: string
}

export interface Topology {
  readonly networks: readonly PlannedNetwork[]
  readonly spare: readonly PlannedPort[]
}

const hex = (n: number): string => n.toString(16).padStart(2, '0')

/** At most 256 networks of 65,000 ports. */
export function plan({ hosts, networks, ports, spare }: Size): Topology {
  const portOf = (network: number, n: number): PlannedPort => {
    const place = n + 256
    return {
      name: `port-${network}-${n}`,
      mac: `02:00:00:${hex(network)}:${hex(place >> 8)}:${hex(place & 255)}`,
      address: `10.${network}.${place >> 8}.${place & 255}`,
      host: (network + n) % hosts,
      interface: `tap${network}-${n}`,
    }
  }
  const networkOf = (n: number): PlannedNetwork => ({
    name: `network-${n}`,
    cidr: `10.${n}.0.0/16`,
    gateway: `10.${n}.0.1`,
    gatewayMac: `02:ff:00:00:00:${hex(n)}`,
    ports: Array.from({ length: ports }, (_, i) => portOf(n, i)),
  })
  return {
    networks: Array.from({ length: networks }, (_, n) => networkOf(n)),
    spare: Array.from({ length: spare }, (_, i) => portOf(0, ports + i)),
  }
}
