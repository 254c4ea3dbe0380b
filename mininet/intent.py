"""What is wanted of the virtual network, said and read over Weft's REST API (OpenStack Networking v2.0 shapes)."""

import json
from itertools import permutations
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TIMEOUT = 20  # seconds an answer may take


class Api:
    """One object a method and path; an answer above 399 raises with what the controller said."""

    def __init__(self, url):
        self.url = url

    def __call__(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {'content-type': 'application/json'}, method=method)
        try:
            with urlopen(request, timeout=TIMEOUT) as response:
                text = response.read()
        except HTTPError as error:
            raise RuntimeError(f'{method} {path}: {error.code} {error.read().decode()}') from error
        return json.loads(text) if text else None

    def list(self, collection, **filters):
        query = '&'.join(f'{key}={value}' for key, value in filters.items())
        return self('GET', f'/v2.0/{collection}?{query}')[collection]


class Intent:
    """Networks `net1`, `net2`… with the subnets 10.0.1.0/24, 10.0.2.0/24…, the router `r1` and ports of virtual machines."""

    ROUTER = 'r1'

    def __init__(self, api):
        self.api = api

    def network(self, number):
        """The network, made with its subnet when there is none."""
        found = self.api.list('networks', name=f'net{number}')
        if found:
            return found[0]
        network = self.api('POST', '/v2.0/networks', {'network': {'name': f'net{number}'}})['network']
        subnet = {'network_id': network['id'], 'ip_version': 4, 'cidr': f'10.0.{number}.0/24'}
        self.api('POST', '/v2.0/subnets', {'subnet': subnet})
        return network

    def subnet(self, number):
        return self.api.list('subnets', network_id=self.network(number)['id'])[0]

    def router(self):
        found = self.api.list('routers', name=self.ROUTER)
        return found[0] if found else self.api('POST', '/v2.0/routers', {'router': {'name': self.ROUTER}})['router']

    def route(self, number, routed=True):
        """Gives the router an interface in the network, or takes it away."""
        verb = 'add' if routed else 'remove'
        body = {'subnet_id': self.subnet(number)['id']}
        self.api('PUT', f'/v2.0/routers/{self.router()["id"]}/{verb}_router_interface', body)

    def is_routed(self, number):
        owner = 'network:router_interface'
        return bool(self.api.list('ports', network_id=self.network(number)['id'], device_owner=owner))

    def create_port(self, name, number, mac):
        body = {'name': name, 'network_id': self.network(number)['id'], 'mac_address': mac}
        return self.api('POST', '/v2.0/ports', {'port': body})['port']

    def port(self, port_id):
        return self.api('GET', f'/v2.0/ports/{port_id}')['port']

    def agent_is_alive(self, host):
        return any(agent['alive'] for agent in self.api.list('agents', host=host))

    def reachable(self, names):
        """Pairs of port names that the intent joins: both on one network, or on networks of one router."""
        ports = self.api.list('ports')
        router_of = {port['network_id']: port['device_id'] for port in ports if is_router_interface(port)}
        domain = {port['name']: router_of.get(port['network_id'], port['network_id']) for port in ports}
        return {(a, b) for a, b in permutations(names, 2) if domain[a] == domain[b]}


def is_router_interface(port):
    return port['device_owner'] == 'network:router_interface'
