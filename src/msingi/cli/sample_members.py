"""How the sample country's institutions join the exchange, what they may ask, and what people can agree to."""

from msingi.consent import acts as consent
from msingi.consent.model import AgreementId, AgreementOrder, AgreementText, Controller
from msingi.countries import Member, Profile
from msingi.exchange import governance
from msingi.exchange.errors import InstitutionExists
from msingi.exchange.model import InstitutionId, JoinOrder, RightOrder, ServiceCode, SubsystemId
from msingi.identity.reception import acts as reception
from msingi.identity.reception.model import Centre
from msingi.kernel.context import job_context
from msingi.kernel.errors import NotFound
from msingi.kernel.stack import Stack

SUMMARY = AgreementId("patient-summary")
FIELDS = ("patient-summary.summary",)


def subsystem_of(profile: Profile, kind: str) -> SubsystemId:
    """The subsystem of the institution of a kind, such as "GOV/zahanati/records"."""
    member = next(m for m in profile.institutions if m.kind == kind)
    return SubsystemId(f"{member.member_class}/{member.code}/{member.subsystem}")


async def join(stack: Stack, member: Member, key: dict[str, str]) -> None:
    """Let an institution join with its key, and approve it; what has joined before stays as it is."""
    ctx = job_context("setup", "operations")
    order = JoinOrder(
        InstitutionId(member.code),
        member.member_class,
        dict(member.name),
        f"contact@{member.code}.example",
        member.subsystem,
        {k: v for k, v in key.items() if k in ("kty", "crv", "x")},
    )
    try:
        await governance.join_institution(stack, ctx, order)
    except InstitutionExists:
        return
    await governance.approve(stack, ctx, member.code)


async def agreements(stack: Stack) -> None:
    """Rights between the sample's institutions, and the agreement by which a hospital gets a patient summary."""
    profile, ctx = stack.profile, job_context("setup", "operations")
    hospital = subsystem_of(profile, "hospital")
    law = next(p.law for p in profile.purposes if p.purpose == "health-care")
    order = RightOrder(
        hospital, ServiceCode("patient-summary"), "health-care", "consent", law, ("summary",), by_number=True
    )
    await governance.grant_right(stack, ctx, order)
    ministry = subsystem_of(profile, "ministry")
    law = next(p.law for p in profile.purposes if p.purpose == "social-protection")
    fields = ("name.given", "name.family", "birth_date", "region")
    await governance.grant_right(
        stack,
        ctx,
        RightOrder(
            ministry, ServiceCode("person-facts"), "social-protection", "public-task", law, fields, by_number=True
        ),
    )
    try:
        await consent.agreement(stack, SUMMARY)
    except NotFound:
        await consent.publish_agreement(stack, job_context("setup", "consent-management"), _summary_agreement(profile))


def _summary_agreement(profile: Profile) -> AgreementOrder:
    hospital = next(m for m in profile.institutions if m.kind == "hospital")
    clinic = next(m for m in profile.institutions if m.kind == "clinic")

    def words(language: str) -> AgreementText:
        to, by = profile.say(hospital.name, language), profile.say(clinic.name, language)
        title, purpose, explanation, field = _TEXTS[language]
        return AgreementText(title.format(to=to, by=by), purpose, explanation.format(to=to, by=by), {FIELDS[0]: field})

    return AgreementOrder(
        agreement=SUMMARY,
        institution=hospital.code,
        controller=Controller(dict(hospital.name), "1", f"contact@{hospital.code}.example"),
        purpose="health-care",
        basis="consent",
        law=next(p.law for p in profile.purposes if p.purpose == "health-care"),
        fields=FIELDS,
        term_days=365,
        keep_days=3650,
        texts={language: words(language) for language in profile.languages},
    )


_TEXTS = {
    "en": (
        "{to} may read your patient summary",
        "to treat you",
        "{to} sees the summary that {by} has on record: problems, allergies, medicines and vaccinations. You can stop "
        "this at any time; then {to} gets nothing more.",
        "patient summary",
    ),
    "sw": (
        "{to} inaweza kusoma muhtasari wako wa afya",
        "kukutibu",
        "{to} itaona muhtasari ulio {by}: matatizo, mizio, dawa na chanjo. Unaweza kusitisha wakati wowote; baada ya "
        "hapo {to} haitapata kitu tena.",
        "muhtasari wa afya",
    ),
    "fr": (
        "{to} peut lire le résumé de votre dossier",
        "vous soigner",
        "{to} voit le résumé que conserve {by} : problèmes, allergies, médicaments et vaccins. Vous pouvez arrêter à "
        "tout moment ; {to} ne reçoit alors plus rien.",
        "résumé du dossier médical",
    ),
    "ar": (
        "يمكن لـ{to} قراءة ملخص ملفك الصحي",
        "لتقديم العلاج لك",
        "يرى {to} الملخص المحفوظ لدى {by}: المشكلات والحساسية والأدوية واللقاحات. "
        "يمكنك إيقاف ذلك متى شئت، وعندها لا يحصل {to} على شيء.",
        "ملخص الملف الصحي",
    ),
}


async def centres(stack: Stack) -> None:
    """One centre of enrolment in each of the first eight regions, so that people can choose a time."""
    ctx = job_context("setup", "identity-registration")
    for region in stack.profile.regions[:8]:
        name = {language: stack.profile.say(region.name, language) for language in stack.profile.languages}
        await reception.keep_centre(stack, ctx, Centre(f"centre-{region.code.lower()}", name, region.code))
