"""Passwords: which are taken, and whether one is right at the same cost for everybody."""

import re
import unicodedata
from typing import Final

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, check_password, make_password
from django.contrib.auth.password_validation import CommonPasswordValidator, validate_password
from django.core.exceptions import ValidationError

from portal.core.refusals import Faults
from portal.tenancy.models import Person

LONGEST: Final = 1024
"""Characters. A sentence is welcome; a book would be work for us alone."""


def _same(password: str) -> str:
    """One text for what keyboards write in several ways (NIST SP 800-63B, section 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def fault_in(faults: Faults, password: str, person: Person, pointer: str = "/password") -> None:
    """Note what is wrong with a new password for `person`."""
    if not password:
        return faults.add(pointer, "A password is needed.")
    if len(password) > LONGEST:
        return faults.add(pointer, f"At most {LONGEST:,} characters are taken.")
    try:
        validate_password(_same(password), person)
        _refuse_repeated(_same(password))
    except ValidationError as error:
        for message in error.messages:
            faults.add(pointer, message)
    return None


def _refuse_repeated(password: str) -> None:
    """The known ones are mostly shorter than ours: twice `password` is one of them all the same."""
    repeated = re.fullmatch(r"(.+?)\1+", password, re.DOTALL)
    if repeated is None:
        return
    if len(repeated[1]) < 8:
        raise ValidationError("This password is too common.")
    CommonPasswordValidator().validate(repeated[1])


def hashed(password: str) -> str:
    """What is kept of a password. Slow on purpose: call it outside of any transaction."""
    return make_password(_same(password))


def is_right(password: str, person: Person | None) -> bool:
    """Whether it is this person's; as much work for nobody and for who has none."""
    # Django hashes all the same for what no password can be.
    held = person.password if person is not None else UNUSABLE_PASSWORD_PREFIX
    return check_password(_same(password), held)
