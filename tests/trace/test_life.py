from scanner.finding import Instruction, Occurrence
from scanner.trace.life import MAX_EVENTS, life

COPY = Instruction("COPY", "COPY a /", 1, "history")
CHOWN = Instruction("RUN", "RUN chown 1 /a", 2, "history")
MOVE = Instruction("RUN", "RUN mv /a /b", 3, "history")
REMOVE = Instruction("RUN", "RUN rm /b", 4, "history")


def file(
    layer: int, path: str, by: Instruction, state: str, gone: int | None = None, how: Instruction | None = None
) -> Occurrence:
    return Occurrence("file", layer, path=path, state=state, instruction=by, removed_in=gone, removed_by=how)


def test_a_secret_is_introduced_changed_copied_and_deleted_in_the_order_of_the_layers() -> None:
    places = [
        file(3, "b", MOVE, "deleted", 4, REMOVE),
        file(1, "a", COPY, "overwritten", 2, CHOWN),
        file(2, "a", CHOWN, "deleted", 3, MOVE),
    ]
    assert [(event.kind, event.layer, event.path, event.instruction) for event in life(places, COPY)] == [
        ("introduced", 1, "a", COPY),
        ("changed", 2, "a", CHOWN),
        ("copied", 3, "b", MOVE),
        ("deleted", 3, "a", MOVE),
        ("deleted", 4, "b", REMOVE),
    ]


def test_a_file_overwritten_without_the_secret_is_told_as_that() -> None:
    told = life([file(1, "a", COPY, "overwritten", 2, CHOWN)], COPY)
    assert [(event.kind, event.layer) for event in told] == [("introduced", 1), ("overwritten", 2)]


def test_two_places_in_one_file_are_one_event_and_fields_are_none() -> None:
    places = [file(1, "a", COPY, "present"), file(1, "a", COPY, "present"), Occurrence("config", field="/config/Env/0")]
    assert len(life(places, COPY)) == 1


def test_a_life_has_an_end() -> None:
    assert len(life([file(n, str(n), COPY, "present") for n in range(1000)], COPY)) == MAX_EVENTS
