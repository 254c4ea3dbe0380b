// Ports for the machines that ask.
import type { ServeProcess } from '../lab/serve.ts'

interface MadePort {
  readonly id: string
  readonly mac_address: string
}

export async function makePorts(controller: ServeProcess, count: number): Promise<readonly MadePort[]> {
  const { network } = (await controller.call('POST', '/v2.0/networks', { network: {} })) as { network: { id: string } }
  const subnet = { network_id: network.id, ip_version: 4, cidr: '10.0.0.0/16' }
  await controller.call('POST', '/v2.0/subnets', { subnet })
  const bodies = Array.from({ length: count }, () => ({ network_id: network.id }))
  const { ports } = await controller.call('POST', '/v2.0/ports', { ports: bodies })
  return ports as readonly MadePort[]
}

export async function areActive(controller: ServeProcess): Promise<boolean> {
  const { ports } = await controller.call('GET', '/v2.0/ports?fields=status')
  return (ports as readonly { readonly status: string }[]).every(({ status }) => status === 'ACTIVE')
}
