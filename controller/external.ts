// External gateways of routers: which port a router has on its external network, which host stands for it there, and what
// that host needs. Part of the dataflow (topology.ts).
import { ROUTER_GATEWAY, ROUTER_INTERFACE, type Neighbour, type Port, type Reads, type RouterHost } from './app.ts'
import type { Engine, Grouping, Table } from './engine/index.ts'

const NONE: readonly string[] = []

export interface ExternalInputs {
  /** By router. */
  readonly router_host: Table<string, RouterHost>
  readonly neighbour: Table<string, Neighbour>
}

export const externalInputs = (engine: Engine): ExternalInputs => ({
  router_host: engine.table('router host'),
  neighbour: engine.table('neighbour'),
})

interface External {
  readonly reads: Pick<
    Reads,
    'gatewayPortOf' | 'gatewayPortsOn' | 'routerHost' | 'hostOfRouter' | 'standIn' | 'neighbour'
  >
  /** The routers that a host stands for. */
  routersAt(this: void, host: string): readonly string[]
  /** The networks of a router: the external one, and those of its interfaces. */
  networksOf(this: void, router: string): readonly string[]
  /** The hosts that stand for the routers of a network, inside or outside. */
  hostsOn(this: void, network: string): readonly string[]
}

export function connectExternal(
  engine: Engine,
  port: Table<string, Port>,
  { router_host, neighbour }: ExternalInputs,
  interfaces: { readonly of: Grouping<string, Port, string>; readonly on: Grouping<string, Port, string> },
): External {
  const isGateway = (row: Port): boolean => row.device_owner === ROUTER_GATEWAY
  const gatewaysOf = engine.grouping('gateway of router', port, (row) => (isGateway(row) ? [row.device_id] : NONE))
  const gatewaysOn = engine.grouping('gateways on network', port, (row) => (isGateway(row) ? [row.network_id] : NONE))
  const held = engine.grouping('routers of host', router_host, (row) => [row.host])
  const gatewayPortOf = (router: string): Port | undefined => port.get(gatewaysOf.get(router)[0] ?? '')
  const hostOfRouter = (router: string): string | undefined =>
    gatewaysOf.get(router).length === 0 ? undefined : router_host.get(router)?.host
  const hostsOn = engine.query('router hosts of network', (id: string): readonly string[] => {
    const routers = [...interfaces.on.get(id), ...gatewaysOn.get(id)].flatMap((each) => port.get(each)?.device_id ?? [])
    return [...new Set(routers.flatMap((router) => hostOfRouter(router) ?? []))].toSorted()
  })
  return {
    reads: {
      gatewayPortOf,
      gatewayPortsOn: (id) => gatewaysOn.get(id),
      routerHost: (id) => router_host.get(id),
      hostOfRouter,
      standIn(id) {
        const row = port.get(id)
        const isRouters = row?.device_owner === ROUTER_INTERFACE || row?.device_owner === ROUTER_GATEWAY
        return row && isRouters ? hostOfRouter(row.device_id) : undefined
      },
      neighbour: (key) => neighbour.get(key),
    },
    routersAt: (host) => held.get(host).filter((router) => gatewaysOf.get(router).length > 0),
    networksOf: (router) =>
      [...gatewaysOf.get(router), ...interfaces.of.get(router)].flatMap((id) => port.get(id)?.network_id ?? []),
    hostsOn: (id) => hostsOn.get(id),
  }
}
