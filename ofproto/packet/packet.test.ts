import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { extractFlow } from './extract.ts'
import { formatPacket } from './format.ts'
import { packet } from './testing.ts'

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

const MACS = '505400000002 505400000001'
const TCP = `${MACS} 0800 45000028 00000000 4006 0000 0a000001 0a000002 03e8 0050 00000000 00000000 5002 0000 abcd 0000`

describe('a packet', () => {
  // Right: what `ovs-ofctl ofp-print` of OVS 3.1 prints for a packet-in with it.
  test.each([
    [
      TCP,
      'tcp,vlan_tci=0x0000,dl_src=50:54:00:00:00:01,dl_dst=50:54:00:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=1000,tp_dst=80,tcp_flags=syn tcp_csum:abcd',
    ],
    [
      `${MACS} 8100 6005 0806 0001 0800 06 04 0001 505400000001 0a000001 000000000000 0a000002`,
      'arp,dl_vlan=5,dl_vlan_pcp=3,vlan_tci1=0x0000,dl_src=50:54:00:00:00:01,dl_dst=50:54:00:00:00:02,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=1,arp_sha=50:54:00:00:00:01,arp_tha=00:00:00:00:00:00',
    ],
    ['', 'vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,dl_type=0x0000'],
    [
      `${MACS} 8847 00064140`,
      'mpls,vlan_tci=0x0000,dl_src=50:54:00:00:00:01,dl_dst=50:54:00:00:00:02,mpls_label=100,mpls_tc=0,mpls_ttl=64,mpls_bos=1',
    ],
  ])('%s prints as OVS prints it', (hex, text) => {
    expect(formatPacket(bytesOf(hex))).toBe(text)
  })

  test('without an Ethernet header starts with what its packet type says', () => {
    expect(formatPacket(bytesOf(TCP).subarray(14), 0x1_0800)).toMatch(/^packet_type=\(1,0x800\),nw_src=10\.0\.0\.1,/)
  })

  test('gives the key that it was made from', () => {
    expect(extractFlow(bytesOf(TCP))).toMatchObject({
      ethSrc: 0x5054_0000_0001,
      ethType: 0x0800,
      ipDst: 0x0a00_0002,
      protocol: 6,
      ttl: 64,
      tpDst: 80,
      tcpFlags: 2,
      transportOffset: 34,
      transportEnd: 54,
    })
  })

  test('of any bytes is extracted without throwing, wherever it is cut', () => {
    const random = fc.uint8Array({ maxLength: 120 }).map((bytes) => ({ bytes, packetType: 0 }))
    fc.assert(
      fc.property(fc.oneof(packet, random), fc.nat(120), ({ bytes, packetType }, size) => {
        expect(formatPacket(bytes, packetType)).not.toBe('')
        expect(formatPacket(bytes.subarray(0, size), packetType)).not.toBe('')
      }),
      { numRuns: 300 },
    )
  })
})
