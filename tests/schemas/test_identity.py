"""Names and birth dates as clients in the field write them."""

import pytest

from schemas.identity import Identity, IncompleteDate, IncompleteDateError, Named, Proof, normalised, proves

_D = IncompleteDate.parse
WHO = Identity("Dûpont-D'Hœrt", _D("1985-03-02"), ("André", "Ólafur"), "0123456789", "590123456789")
UNKNOWN_DAY = Identity("Ağaoğlu", _D("1985-00-00"))


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Dûpont-D'Hœrt", "DUPONTDHOERT"),
        ("  van den  Broeck ", "VANDENBROECK"),
        ("Straße", "STRASSE"),
        ("Ørsted Łukasz", "ORSTEDLUKASZ"),
        ("Ağaoğlu Işık", "AGAOGLUISIK"),
        ("Zoe\u0308", "ZOE"),
        ("-' ", ""),
    ],
)
def test_names_are_compared_without_case_accents_and_what_is_no_letter(written, plain):
    assert normalised(written) == plain


@pytest.mark.parametrize(
    "proof",
    [
        Proof(sis_card="0123456789"),
        Proof(identity_card="590123456789"),
        Proof(named=Named("DUPONT D HOERT", _D("1985-03-02"))),
        Proof(named=Named("dupont dhoert", _D("1985-03-00"), "ANDRE")),
        Proof(named=Named("dupont dhoert", _D("1985-00-00"), "olafur")),
        Proof(named=Named("dupont dhoert", _D("1985-03-02"), "André Olafur")),
        Proof(sis_card="9999999999", named=Named("DUPONT D HOERT", _D("1985-03-02"))),
    ],
    ids=["sis card", "identity card", "capitals", "without day", "second name", "all names", "one of two is right"],
)
def test_one_thing_that_is_right_is_enough(proof):
    assert proves(proof, WHO)


@pytest.mark.parametrize(
    "proof",
    [
        Proof(),
        Proof(sis_card="0123456780"),
        Proof(identity_card="590123456780"),
        Proof(named=Named("DUPONT", _D("1985-03-02"))),
        Proof(named=Named("DUPONT D HOERT", _D("1985-03-03"))),
        Proof(named=Named("DUPONT D HOERT", _D("1986-00-00"))),
        Proof(named=Named("DUPONT D HOERT", _D("1985-03-02"), "Jean")),
        Proof(named=Named("-", _D("1985-03-02"))),
    ],
    ids=["none", "sis card", "identity card", "other name", "other day", "other year", "first name", "no name"],
)
def test_what_is_not_right_proves_nothing(proof):
    assert not proves(proof, WHO)


def test_what_the_register_does_not_know_is_not_held_against_anybody():
    assert proves(Proof(named=Named("AGAOGLU", _D("1985-07-09"))), UNKNOWN_DAY)
    assert not proves(Proof(named=Named("AGAOGLU", _D("1984-07-09"))), UNKNOWN_DAY)
    assert not proves(Proof(named=Named("AGAOGLU", _D("1985-07-09"), "Ali")), UNKNOWN_DAY)


def test_a_register_without_card_numbers_has_none_that_is_right():
    assert not proves(Proof(sis_card=None, identity_card=None), UNKNOWN_DAY)


@pytest.mark.parametrize("text", ["1985-3-2", "1985-13-01", "1985-00-02", "85-01-01", "1985-01-32", ""])
def test_what_is_no_date_is_not_taken(text):
    with pytest.raises(IncompleteDateError) as error:
        IncompleteDate.parse(text)
    assert "1985" not in str(error.value)


def test_who_somebody_is_stands_in_no_repr():
    assert "1985" not in repr(WHO)
    assert "ndr" not in repr(WHO)
    assert "AGAOGLU" not in repr(Proof("1", "2", Named("AGAOGLU", _D("1985-07-09"), "Ali")))
