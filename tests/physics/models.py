"""Small models with closed forms."""

import mujoco

PENDULUM = """
<mujoco><compiler angle="radian"/><option gravity="0 0 -9.81" timestep="0.001"/>
<worldbody><body name="bob"><joint name="swing" type="hinge" axis="0 1 0" range="-3 3" limited="true"/>
<inertial pos="0 0 -0.5" mass="2" diaginertia="1e-9 1e-9 1e-9"/></body></worldbody></mujoco>"""

FREE = """<mujoco><worldbody><body name="ball"><freejoint name="free"/>
<inertial pos="0 0 0" mass="1" diaginertia=".1 .2 .25"/></body></worldbody></mujoco>"""

# Two links and a slide, with armature, damping, frictionloss and an equality that would pull hard.
ARM = """
<mujoco><compiler angle="radian"/><option timestep="0.002" integrator="implicitfast"/>
<default><joint armature="0.1" damping="0.7"/></default>
<worldbody>
 <body name="upper" pos="0 0 1"><joint name="shoulder" axis="0 1 0" range="-2 2" limited="true" actuatorfrcrange="-60 60" actuatorfrclimited="true"/>
  <inertial pos="0 0 -0.2" mass="3" diaginertia=".05 .05 .01"/><geom name="u" type="capsule" fromto="0 0 -.05 0 0 -.35" size=".04"/>
  <body name="lower" pos="0 0 -0.4"><joint name="elbow" axis="0 1 0" range="-2 2.5" limited="true" actuatorfrcrange="-30 30" actuatorfrclimited="true"/>
   <inertial pos="0.02 0 -0.15" mass="1.5" diaginertia=".02 .02 .004"/><geom name="l" type="capsule" fromto="0 0 -.06 0 0 -.3" size=".03"/>
   <body name="hand" pos="0 0 -0.33"><joint name="left" type="slide" axis="1 0 0" range="0 .04" limited="true" actuatorfrcrange="-20 20" actuatorfrclimited="true"/>
    <inertial pos="0 0 0" mass=".2" diaginertia="1e-4 1e-4 1e-4"/><geom name="h" size=".02"/><site name="ee" pos="0 0 -.03"/>
    <body name="other"><joint name="right" type="slide" axis="-1 0 0" range="0 .04" limited="true"/>
     <inertial pos="0 0 0" mass=".05" diaginertia="1e-5 1e-5 1e-5"/></body>
   </body></body></body>
</worldbody>
<equality><joint joint1="right" joint2="left" polycoef="0 1 0 0 0"/></equality>
</mujoco>"""


def compiled(xml: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(xml)
