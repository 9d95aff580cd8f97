"""Words of the market's language, by what they say: written by hand, not learned, so that they hold on any source."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: prices, figures or opinions that get better
UP = _words(
    """
    accelerate accelerated accelerates accumulate accumulates add added adds advance advanced advances advancing
    ahead all-time-high approval approved approves attractive award awarded bag bagged bags beat beating beats
    best better blockbuster bonus boom booming boost boosted boosting boosts bottoming bounce bounced bounces
    breakout breakthrough bull bullish bullishness bulls buy buyback buying buys cheaper cheer cheered cheers
    cheery climb climbed climbing climbs confident conquers dividend double doubled doubles ease-off edge
    encouraging exceed exceeded exceeds expand expanded expanding expands expansion extend favorable favourable
    firm firmed firming firms flared fresh-high gain gained gaining gains green grew grow growing grows growth
    harden hardened hardens heal healthy high higher highs hike hiked hikes hiking hope hopes improve improved
    improvement improves improving inch increase increased increases increasing inspiring jubilant jump jumped
    jumping jumps launch leads lift lifted lifting lifts momentum multibagger multibaggers optimistic outpace
    outpaces outperform outperformed outperformer outperforming outperforms outstrips overweight peak perks pop
    popped pops positive profitable promising raise raised raises raising rallied rallies rally rallying ramp
    rebound rebounded rebounding rebounds reclaimed reclaims record record-high recover recovered recovering
    recovers recovery regained regains resilient revival revive revives rewarded rise risen rises rising robust
    robustly rocket rocketed rockets rose scaled scales shine shines shining skyrocket skyrocketed skyrockets
    soar soared soaring soars solid spike spiked spikes spurt spurted spurting spurts stellar strengthen
    strengthened strengthens strong stronger success successful supportive surge surged surges surging surpass
    surpassed surpasses swell swelled swells tailwind tailwinds thrive thrives tight-supply top topped topping
    tops triple tripled triples turnaround undervalued up upbeat upgrade upgraded upgrades upgrading upmove
    upped upside upsize upsized upswing upswings uptick upticks uptrend upturn upward win windfall winner
    winners wins won zoom zoomed zooming zooms
    """
)
#: those that get worse
DOWN = _words(
    """
    antitrust arrest arrested avoid avoids ban bankrupt bankruptcy banned bans battered bear bearish bearishness
    bears bleak bleed bleeds bloodbath bloody blow blows bottom boycott breach breakdown bribery caution
    cautious cautiously charged closes closure collapse collapsed collapses concern concerns contract contracts
    coronavirus corrected correction corrects corruption crackdown crash crashed crashes crashing crisis crumble
    crumbles curb curbs cut cuts cutting decline declined declines declining decrease decreased decreases
    default defaulted defaulter defaulters defaulting delay delayed delays delisted delisting denied dent dented
    dents deny derail derailed derails dip dipped dipping dips dire disappoint disappointed disappointing
    disappoints disaster dismal down downgrade downgraded downgrades downgrading downtrend downturn drag dragged
    drags drop dropped dropping drops dump dumped dumps dwindle dwindled dwindles ease eased eases easing erode
    eroded erodes exit exodus fail failed fails failure fall fallen falling falls falter faltered falters fear
    fears fell fine fined fire fired fires fraud freefall freezes frozen gloom gloomy glum glut grim hack
    hacking halt halted halts hammered headwind headwinds hit hits hurt hurts impairment impairments indicted
    infected infection infections insolvency investigation jitters jittery lackluster lacklustre laggard
    laggards lawsuit layoff layoffs lockdown lockdowns lose loses losing loss-making lost low lower lows mauled
    meltdown mired miss missed misses missing moderated moderates muted negative nosedive nosedives outage
    outbreak overheated overvalued pain pandemic panic penalty pessimism pessimistic plague plagued plummet
    plummeted plummets plunge plunged plunges plunging pressure pressured probe probed probes protest protests
    pull-back pullback quarantine quit quits raid raids recall recalled recalls recession red reduce reduced
    reduces reject rejected rejects resign resigned resigns restructuring retreat retreated retreating retreats
    risk risks rout routs sag sagged sags sanction sanctioned sanctions sank scandal seized seizes sell sell-off
    selloff severe shaky shed sheds shortfall shrank shrink shrinking shrinks shrugs shrunk shut shutdown shuts
    sink sinking sinks skid skidded skids slack slash slashed slashes slashing slid slide slides sliding slip
    slipped slipping slips slow slowdown slowed slowing slows sluggish slump slumped slumping slumps soften
    softened softens sour sours squeeze stagnant stagnates strain strained strains stress stressed strike
    strikes struggle struggles struggling stutter stutters subdued sue sued sues suspend suspended suspends tank
    tanked tanks tariff tariffs tepid tough trim trimmed trims trouble troubled tumble tumbled tumbles tumbling
    turmoil uncertainty underperform underperformed underperforms underweight violation violations virus
    volatile warn warned warning warns weak weaken weakened weakening weakens weaker weakness wilt wilts wipe
    wiped wipes wobble wobbled wobbles woe woes worried worries worry worse worsen worsened worsens worst
    write-down writedown
    """
)
#: what it is good to have more of
GOOD = _words(
    """
    crude demand dollar earnings ebitda eps estimate estimates exports forecast futures gold guidance income
    index margin margins market markets net nifty oil order orders outlook output pat price prices production
    profit profits revenue revenues rupee sales sensex share shares stock stocks target volume yield yields
    """
)
#: what it is bad to have more of
BAD = _words(
    """
    cases claims cost costs deaths debt defaults deficit downside duty expenses inflation jobless loss losses
    npa npas pledge provisioning provisions slippages tax taxes unemployment
    """
)

#: word -> its letter in patterns like ``profit soars`` = "G U", ``loss narrows``
CLASSES = {
    word: letter for letter, words in (("G", GOOD), ("U", UP), ("D", DOWN - BAD), ("B", BAD)) for word in sorted(words)
}
