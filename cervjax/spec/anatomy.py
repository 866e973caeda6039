"""What the parts of a model are: a table beside the model, so that no code names them."""

from dataclasses import dataclass

PLANES = ("pitch", "roll", "yaw")
"""Planes in which a head turns: flexion and extension, lateral bending, rotation."""

Names = tuple[str, ...]


@dataclass(frozen=True)
class Anatomy:
    """What bodies, coordinates, markers and muscle groups of a model stand for.

    Everything may be left out; what needs it says so.

    Attributes:
        head: bodies of the head, the skull first.
        torso: body that markers of the trunk sit on.
        vertebrae: of the neck, lowest first.
        shoulders: bodies of the shoulder girdle.
        pitch, roll, yaw: free coordinates that turn the head in each plane.
        levels: short name of a body as a level of the spine, by pairs `(body, name)`.
        left_suffix, right_suffix: ends of the names of muscles of either side.
        flexors, extensors: names of muscle groups.
        muscle_groups: names of groups that share no muscle.
        actions: names of groups that are what muscles do.
        head_markers, trunk_markers: that sit on head and trunk.
        shoulder_markers: of the acromia, left and right.
        anchor_markers: of trunk and shoulders, that the model is laid onto a person by.
        marker_sides: pairs `(left, right)` of head markers.
        marker_ends: pairs `(posterior, anterior)` of head markers.
        titles: plain words for a muscle group, by pairs `(group, title)`.
    """

    head: Names = ()
    torso: str = ""
    vertebrae: Names = ()
    shoulders: Names = ()
    pitch: Names = ()
    roll: Names = ()
    yaw: Names = ()
    levels: tuple[tuple[str, str], ...] = ()
    left_suffix: str = ""
    right_suffix: str = ""
    flexors: Names = ()
    extensors: Names = ()
    muscle_groups: Names = ()
    actions: Names = ()
    head_markers: Names = ()
    trunk_markers: Names = ()
    shoulder_markers: Names = ()
    anchor_markers: Names = ()
    marker_sides: tuple[tuple[str, str], ...] = ()
    marker_ends: tuple[tuple[str, str], ...] = ()
    titles: tuple[tuple[str, str], ...] = ()

    @property
    def skull(self) -> str:
        """The body of the head that carries its sensors and markers.

        Returns:
            Its name.

        Raises:
            ValueError: the anatomy names no head.
        """
        if not self.head:
            raise ValueError(
                "the model's anatomy names no head; give the model an `Anatomy` with `head`, or "
                "name the body"
            )
        return self.head[0]

    @property
    def planes(self) -> dict[str, Names]:
        """Coordinates of each plane."""
        return {"pitch": self.pitch, "roll": self.roll, "yaw": self.yaw}

    @property
    def bodies(self) -> Names:
        """All bodies that are named."""
        torso = (self.torso,) if self.torso else ()
        return (*self.head, *torso, *self.vertebrae, *self.shoulders)

    def stem(self, muscle: str) -> str:
        """A muscle's name without the suffix of its side.

        Args:
            muscle: its name.

        Returns:
            The same for a muscle and its counterpart of the other side.
        """
        for suffix in (self.left_suffix, self.right_suffix):
            if suffix and muscle.endswith(suffix):
                return muscle.removesuffix(suffix)
        return muscle

    def is_left(self, muscle: str) -> bool:
        """Whether a muscle is of the left side.

        Args:
            muscle: its name.

        Returns:
            False where sides have no names.
        """
        if self.left_suffix:
            return muscle.endswith(self.left_suffix)
        return bool(self.right_suffix) and not muscle.endswith(self.right_suffix)
