// A physical network beside the hosts: the first one is connected to it, and stands for the router there.
import type { Fabric, Machine } from '../test/lab/fabric.ts'
import { BRIDGE, Wire } from '../test/lab/wire.ts'

export const OUTSIDE = '203.0.113.1'

interface Builder {
  readonly fabric: Fabric
  call<T>(method: string, path: string, body?: object): Promise<T>
}

/** The machine outside, and the address by which the router is there. */
export async function connectOutside(
  { fabric, call }: Builder,
  router: string,
): Promise<{ readonly machine: Machine; readonly gateway: string }> {
  const [host] = fabric.hosts
  if (host === undefined) throw new Error('the fabric is incomplete')
  const wire = await Wire.start(fabric)
  await wire.connect(host)
  await host.ovs.vsctl('set', 'Open_vSwitch', '.', `external_ids:weft-bridge-mappings=physnet1:${BRIDGE}`)
  const machine = await wire.machine('outside', `${OUTSIDE}/24`, null)
  const place = { 'provider:network_type': 'flat', 'provider:physical_network': 'physnet1' }
  const { network } = await call<{ network: { id: string } }>('POST', '/v2.0/networks', {
    network: { name: 'public', 'router:external': true, ...place },
  })
  await call('POST', '/v2.0/subnets', {
    subnet: { network_id: network.id, ip_version: 4, cidr: '203.0.113.0/24', enable_dhcp: false },
  })
  const answer = await call<{ router: { external_gateway_info: { external_fixed_ips: { ip_address: string }[] } } }>(
    'PUT',
    `/v2.0/routers/${router}`,
    { router: { external_gateway_info: { network_id: network.id } } },
  )
  return { machine, gateway: answer.router.external_gateway_info.external_fixed_ips[0]?.ip_address ?? '' }
}
