# The connection of these scripts: openstacksdk with a password, to the address in the environment.
import os

import openstack

network = openstack.connect(
    load_yaml_config=False,
    load_envvars=False,
    auth_type="password",
    auth_url=os.environ["WEFT_URL"] + "/identity/v3",
    username=os.environ["WEFT_USER"],
    password=os.environ["WEFT_PASSWORD"],
    project_name="demo",
    user_domain_id="default",
    project_domain_id="default",
).network
